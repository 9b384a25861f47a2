// floor — the least that receiving a feed can cost: recv() into one buffer, and a walk over the frames in it.
// Compiled by floor.ts where there is a C compiler; run once a round.
// Usage: floor PORT PATH WARMUP_MS WINDOW_MS. Prints its window as one line of JSON.
// It looks at the first byte of each message where it stands, as the peers that read in place do.
// Source: RFC 6455 §5.2.

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 512 * 1024, LONGEST_HEAD = 10 };

static unsigned char buffer[BUFFER];
static unsigned long long messages, bytes;
// Of the frame under way, still to come.
static size_t left;
static volatile unsigned char seen;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static double cpu_us(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void die(const char *why) {
  perror(why);
  exit(1);
}

static int open_feed(int port, const char *path) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) die("connect");
  char ask[512];
  int length = snprintf(ask, sizeof ask,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
                        path);
  if (write(fd, ask, length) != length) die("write");
  return fd;
}

// Walks over what has come, and returns how many bytes at the end are the beginning of a frame's head.
static size_t walk(size_t length) {
  size_t at = 0;
  if (left > 0) {
    if (left > length) {
      left -= length;
      return 0;
    }
    at = left;
    left = 0;
    messages++;
  }
  while (length - at >= 2) {
    uint64_t size = buffer[at + 1] & 0x7f;
    size_t head = size == 126 ? 4 : size == 127 ? LONGEST_HEAD : 2;
    if (length - at < head) break;
    if (head > 2) {
      size = 0;
      for (size_t i = 2; i < head; i++) size = size << 8 | buffer[at + i];
    }
    at += head;
    bytes += size;
    seen = buffer[at < length ? at : 0];
    if (length - at < size) {
      left = size - (length - at);
      return 0;
    }
    messages++;
    at += size;
  }
  return length - at;
}

static int run(int fd, double warmup, double window) {
  size_t held = 0;
  double end = now_ms() + warmup, start = 0, cpu = 0;
  for (;;) {
    ssize_t got = recv(fd, buffer + held, BUFFER - held, 0);
    if (got <= 0) die("recv");
    size_t length = held + got;
    held = walk(length);
    memmove(buffer, buffer + length - held, held);
    double now = now_ms();
    if (now < end) continue;
    if (start > 0) {
      printf("{\"messages\":%llu,\"ms\":%.3f,\"cpuUs\":%.0f}\n", messages, now - start, cpu_us() - cpu);
      return 0;
    }
    messages = 0;
    start = now;
    cpu = cpu_us();
    end = now + window;
  }
}

// The answer's head is read a byte at a time, so that what comes behind it stays in the socket.
static void read_head(int fd) {
  char last[4] = {0};
  while (memcmp(last, "\r\n\r\n", 4) != 0) {
    memmove(last, last + 1, 3);
    if (recv(fd, last + 3, 1, 0) != 1) die("recv");
  }
}

int main(int argc, char **argv) {
  if (argc != 5) return fprintf(stderr, "usage: floor PORT PATH WARMUP_MS WINDOW_MS\n"), 2;
  int fd = open_feed(atoi(argv[1]), argv[2]);
  read_head(fd);
  return run(fd, atof(argv[3]), atof(argv[4]));
}
