/*
 * The receiving side of the fan-out benches: opens many WebSockets or event streams, subscribes on each, and counts pairs of
 * a marker byte in what comes. In C because a Node client would be the bottleneck. Prints "ready" when all are open, then
 * the count each time it has grown, at most once a millisecond. Compiled by loadtests/load/fan-out.ts; ends when its parent
 * does.
 *
 * Arguments: port, connections, path, header lines (each with CRLF), status of the answer, first WebSocket message or "",
 * marker.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buffer[256 * 1024];

static void fail(const char *what) {
  fprintf(stderr, "sink: %s: %s\n", what, strerror(errno));
  exit(1);
}

static long long now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

/* By socket: the last read ended with one marker byte of a pair. */
static char carries[65536];

/* Pairs, because a single byte of any value may stand in a frame's length. */
static long count_pairs(int fd, const char *at, size_t length, char marker) {
  const char *end = at + length;
  long count = 0;
  if (carries[fd] && *at == marker) {
    count++;
    at++;
  }
  carries[fd] = 0;
  while ((at = memchr(at, marker, end - at)) != NULL) {
    if (at + 1 == end) {
      carries[fd] = 1;
      break;
    }
    if (at[1] == marker) {
      count++;
      at++;
    }
    at++;
  }
  return count;
}

static void write_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t n = write(fd, bytes, length);
    if (n <= 0) fail("write");
    bytes += n;
    length -= n;
  }
}

/* A masked text frame (RFC 6455 5.2) with a mask of zeros, which leaves the payload as it is. */
static void send_text(int fd, const char *text) {
  size_t length = strlen(text), at = 2;
  unsigned char head[8] = {0x81, 0};
  if (length < 126) {
    head[1] = 0x80 | length;
  } else {
    head[1] = 0x80 | 126;
    head[2] = length >> 8;
    head[3] = length & 255;
    at = 4;
  }
  write_all(fd, (const char *)head, at + 4);
  write_all(fd, text, length);
}

static int open_socket(int port, const char *path, const char *headers, const char *status, const char *message) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  int length = snprintf(buffer, sizeof buffer,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", path, port, headers);
  write_all(fd, buffer, length);
  size_t filled = 0;
  do {
    ssize_t n = read(fd, buffer + filled, 1);
    if (n <= 0) fail("answer");
    filled += n;
  } while (filled < 4 || memcmp(buffer + filled - 4, "\r\n\r\n", 4) != 0);
  buffer[filled] = 0;
  if (strncmp(buffer, "HTTP/1.1 ", 9) != 0 || strncmp(buffer + 9, status, 3) != 0) {
    fprintf(stderr, "sink: refused: %s\n", buffer);
    exit(1);
  }
  if (*message) send_text(fd, message);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 8) return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int port = atoi(argv[1]), connections = atoi(argv[2]);
  char marker = argv[7][0];
  int events_fd = epoll_create1(0);
  for (int i = 0; i < connections; i++) {
    struct epoll_event event = {.events = EPOLLIN};
    event.data.fd = open_socket(port, argv[3], argv[4], argv[5], argv[6]);
    epoll_ctl(events_fd, EPOLL_CTL_ADD, event.data.fd, &event);
  }
  write_all(1, "ready\n", 6);
  long total = 0, told = 0;
  long long told_us = 0;
  static struct epoll_event events[1024];
  for (;;) {
    int n = epoll_wait(events_fd, events, 1024, total > told ? 1 : -1);
    if (n < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < n; i++) {
      ssize_t got = read(events[i].data.fd, buffer, sizeof buffer);
      if (got == 0) {
        fprintf(stderr, "sink: the server closed a connection\n");
        return 1;
      }
      if (got > 0) total += count_pairs(events[i].data.fd, buffer, got, marker);
      else if (errno != EAGAIN) fail("read");
    }
    long long at_us = now_us();
    if (total > told && at_us - told_us >= 1000) {
      char line[32];
      write_all(1, line, snprintf(line, sizeof line, "%ld\n", total));
      told = total;
      told_us = at_us;
    }
  }
}
