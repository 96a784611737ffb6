/*
 * Both ends of what bench/broker.ts measures, in C, so that they take as little of the machine as they can and are the same for
 * every broker:
 *
 *   load zmq-clients ENDPOINT CLIENTS SECONDS BODY_BYTES   one request at a time each; prints requests/s, p50 and p99 in µs
 *   load zmq-worker ENDPOINT                               answers whatever a bare loop sends on
 *   load zmq-server ENDPOINT READY                         speaks the server's side of docs/protocol.md, announced by READY
 *   load zmq-proxy FRONTEND BACKEND                        a ROUTER/ROUTER loop
 *   load nats-clients PORT CLIENTS SECONDS BODY_BYTES
 *   load nats-worker PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { LISTS = 64, MOST_FRAMES = 1024, MOST_TIMES = 8000000 };

static const double WARM_UP = 2;
static uint32_t *times;
static size_t measured;

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, zmq_strerror(errno));
  exit(1);
}

static int ascending(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static void took(double began, double from, double end) {
  double at = now();
  if (began >= from && at <= end && measured < MOST_TIMES) times[measured++] = (uint32_t)((at - began) * 1e6);
}

static void tell(double seconds) {
  if (measured == 0) fail("nobody answered");
  qsort(times, measured, sizeof *times, ascending);
  printf("%.0f %u %u\n", measured / seconds, times[measured / 2], times[measured * 99 / 100]);
}

static void send_frame(void *socket, const void *data, size_t size, int more) {
  if (zmq_send(socket, data, size, more ? ZMQ_SNDMORE : 0) < 0) fail("send");
}

static void send_text(void *socket, const char *text, int more) { send_frame(socket, text, strlen(text), more); }

/* Returns the frames of the next message, or 0 where there is none. */
static int receive(void *socket, zmq_msg_t *frames, int flags) {
  int count = 0;
  do {
    zmq_msg_init(&frames[count]);
    if (zmq_msg_recv(&frames[count], socket, count == 0 ? flags : 0) < 0) {
      if (errno == EAGAIN && count == 0) return 0;
      fail("receive");
    }
    count++;
  } while (zmq_msg_more(&frames[count - 1]) && count < MOST_FRAMES);
  return count;
}

static void drop(zmq_msg_t *frames, int count) {
  for (int at = 0; at < count; at++) zmq_msg_close(&frames[at]);
}

static void forward(void *socket, zmq_msg_t *frame, int more) {
  if (zmq_msg_send(frame, socket, more ? ZMQ_SNDMORE : 0) < 0) zmq_msg_close(frame);
}

static void ask(void *socket, int client, const char *body, size_t bytes) {
  static const char *line = "AISLE/1 sync AAAAAAAAAAA %08x-1111-4111-8111-111111111111 5000 \n";
  static char message[4096];
  size_t length = sprintf(message, line, 0x10000000 + client % LISTS * 7919);
  memcpy(message + length, body, bytes);
  send_text(socket, "", 1);
  send_frame(socket, message, length + bytes, 0);
}

static void zmq_clients(const char *endpoint, int clients, double seconds, size_t bytes) {
  void *context = zmq_ctx_new();
  zmq_ctx_set(context, ZMQ_MAX_SOCKETS, clients + 16);
  char *body = malloc(bytes);
  memset(body, 'x', bytes);
  zmq_pollitem_t *items = calloc(clients, sizeof *items);
  double *began = calloc(clients, sizeof *began);
  zmq_msg_t frames[MOST_FRAMES];
  for (int client = 0; client < clients; client++) {
    int linger = 0;
    items[client].socket = zmq_socket(context, ZMQ_DEALER);
    items[client].events = ZMQ_POLLIN;
    zmq_setsockopt(items[client].socket, ZMQ_LINGER, &linger, sizeof linger);
    if (zmq_connect(items[client].socket, endpoint) < 0) fail("connect");
  }
  double from = now() + WARM_UP, end = from + seconds;
  for (int client = 0; client < clients; client++) {
    began[client] = now();
    ask(items[client].socket, client, body, bytes);
  }
  while (now() < end) {
    if (zmq_poll(items, clients, 1000) < 0) fail("poll");
    for (int client = 0; client < clients; client++) {
      if (!(items[client].revents & ZMQ_POLLIN)) continue;
      drop(frames, receive(items[client].socket, frames, 0));
      took(began[client], from, end);
      began[client] = now();
      ask(items[client].socket, client, body, bytes);
    }
  }
  tell(seconds);
  exit(0);
}

static void answer(void *socket) { send_text(socket, "AISLE/1 reply AAAAAAAAAAA\n{}", 0); }

static void zmq_worker(const char *endpoint) {
  void *socket = zmq_socket(zmq_ctx_new(), ZMQ_DEALER);
  zmq_setsockopt(socket, ZMQ_ROUTING_ID, "worker", 6);
  if (zmq_connect(socket, endpoint) < 0) fail("connect");
  zmq_msg_t frames[MOST_FRAMES];
  for (;;) {
    int count = receive(socket, frames, 0);
    forward(socket, &frames[0], 1);
    send_text(socket, "", 1);
    answer(socket);
    drop(frames + 1, count - 1);
  }
}

/* Between broker and server, all frames of a message are one: of each its length in four bytes, then itself. */
static char pack[1 << 20];
static size_t packed;

static void pack_frame(const char *text) {
  size_t size = strlen(text);
  uint32_t length = htonl(size);
  memcpy(pack + packed, &length, 4);
  memcpy(pack + packed + 4, text, size);
  packed += 4 + size;
}

static void pack_head(const char *type) {
  packed = 0;
  pack_frame("AISLE/1");
  pack_frame(type);
}

static void announce(void *socket, const char *type, const char *body) {
  pack_head(type);
  pack_frame(body);
  send_frame(socket, pack, packed, 0);
}

/* Returns the next frame of a pack, with its length. */
static const char *unpack(const char **at, size_t *length) {
  uint32_t size;
  memcpy(&size, *at, 4);
  *length = ntohl(size);
  const char *frame = *at + 4;
  *at = frame + *length;
  return frame;
}

static void zmq_server(const char *endpoint, const char *ready) {
  void *socket = zmq_socket(zmq_ctx_new(), ZMQ_DEALER);
  if (zmq_connect(socket, endpoint) < 0) fail("connect");
  zmq_msg_t frames[MOST_FRAMES];
  double heartbeat = 0;
  announce(socket, "ready", ready);
  for (;;) {
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    zmq_poll(&item, 1, 200);
    if (now() >= heartbeat) {
      announce(socket, "heartbeat", "");
      heartbeat = now() + 0.5;
    }
    for (int count; (count = receive(socket, frames, ZMQ_DONTWAIT)) > 0; drop(frames, count)) {
      const char *at = zmq_msg_data(&frames[0]), *end = at + zmq_msg_size(&frames[0]);
      size_t length;
      unpack(&at, &length);
      const char *type = unpack(&at, &length);
      if (length == 10 && memcmp(type, "reannounce", length) == 0) announce(socket, "ready", ready);
      if (length != 8 || memcmp(type, "requests", length) != 0) continue;
      pack_head("replies");
      while (at < end) {
        char routing[32];
        snprintf(routing, sizeof routing, "%lld reply", atoll(unpack(&at, &length)));
        unpack(&at, &length);
        pack_frame(routing);
        pack_frame("{}");
      }
      send_frame(socket, pack, packed, 0);
    }
  }
}

static void pass(void *from, void *to, int first, const char *peer) {
  zmq_msg_t frames[MOST_FRAMES];
  int count = receive(from, frames, ZMQ_DONTWAIT);
  if (count == 0) return;
  if (peer != NULL) send_text(to, peer, 1);
  for (int at = 0; at < first; at++) zmq_msg_close(&frames[at]);
  for (int at = first; at < count; at++) forward(to, &frames[at], at + 1 < count);
}

static void zmq_proxy_loop(const char *front, const char *back) {
  void *context = zmq_ctx_new();
  void *frontend = zmq_socket(context, ZMQ_ROUTER), *backend = zmq_socket(context, ZMQ_ROUTER);
  if (zmq_bind(frontend, front) < 0 || zmq_bind(backend, back) < 0) fail("bind");
  zmq_pollitem_t items[] = {{frontend, 0, ZMQ_POLLIN, 0}, {backend, 0, ZMQ_POLLIN, 0}};
  for (;;) {
    zmq_poll(items, 2, -1);
    if (items[0].revents) pass(frontend, backend, 0, "worker");
    if (items[1].revents) pass(backend, frontend, 1, NULL);
  }
}

/* NATS speaks lines of text (docs.nats.io, "NATS client protocol"). */
struct peer {
  int socket;
  char read[65536];
  size_t length;
};

static void nats_send(int socket, const char *data, size_t size) {
  while (size > 0) {
    ssize_t sent = write(socket, data, size);
    if (sent < 0 && errno != EAGAIN) fail("write");
    if (sent > 0) data += sent, size -= sent;
  }
}

static void nats_connect(struct peer *peer, int port, const char *hello) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int on = 1;
  peer->socket = socket(AF_INET, SOCK_STREAM, 0);
  peer->length = 0;
  if (connect(peer->socket, (struct sockaddr *)&to, sizeof to) < 0) fail("connect");
  setsockopt(peer->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  nats_send(peer->socket, hello, strlen(hello));
}

/* Reads what is there; calls `on` with the reply subject of each message that is whole. */
static void nats_read(struct peer *peer, void (*on)(struct peer *, const char *reply, void *), void *data) {
  ssize_t got = read(peer->socket, peer->read + peer->length, sizeof peer->read - peer->length);
  if (got <= 0) fail("read");
  peer->length += got;
  char *at = peer->read, *end = peer->read + peer->length, *line;
  while ((line = memchr(at, '\n', end - at)) != NULL) {
    char first[64] = "", second[64] = "", third[64] = "", fourth[64] = "";
    int words = sscanf(at, "MSG %63s %63s %63s %63[^ \r\n]", first, second, third, fourth);
    if (words >= 3) {
      size_t bytes = atoi(words == 4 ? fourth : third) + 2;
      if (line + 1 + bytes > end) break;
      at = line + 1 + bytes;
      on(peer, words == 4 ? third : "", data);
      continue;
    }
    if (strncmp(at, "PING", 4) == 0) nats_send(peer->socket, "PONG\r\n", 6);
    at = line + 1;
  }
  peer->length = end - at;
  memmove(peer->read, at, peer->length);
}

static int has_answer;

static void nats_answered(struct peer *peer, const char *reply, void *data) {
  (void)peer, (void)reply, (void)data;
  has_answer = 1;
}

static void nats_clients(int port, int clients, double seconds, int bytes) {
  struct peer *peers = calloc(clients, sizeof *peers);
  double *began = calloc(clients, sizeof *began);
  char *request = malloc(bytes + 128);
  int all = epoll_create1(0);
  for (int client = 0; client < clients; client++) {
    char hello[128];
    snprintf(hello, sizeof hello, "CONNECT {\"verbose\":false}\r\nSUB r.%d 1\r\n", client);
    nats_connect(&peers[client], port, hello);
    struct epoll_event event = {.events = EPOLLIN, .data = {.u32 = client}};
    epoll_ctl(all, EPOLL_CTL_ADD, peers[client].socket, &event);
  }
  double from = now() + WARM_UP, end = from + seconds;
  struct epoll_event events[256];
  int ready = -1;
  while (now() < end) {
    /* The first round asks for everyone. */
    if (ready >= 0) ready = epoll_wait(all, events, 256, 1000);
    for (int index = 0; index < (ready < 0 ? clients : ready); index++) {
      int client = ready < 0 ? index : (int)events[index].data.u32;
      has_answer = ready < 0;
      if (ready >= 0) nats_read(&peers[client], nats_answered, NULL);
      if (!has_answer) continue;
      if (ready >= 0) took(began[client], from, end);
      began[client] = now();
      int head = sprintf(request, "PUB q r.%d %d\r\n", client, bytes);
      memset(request + head, 'x', bytes);
      memcpy(request + head + bytes, "\r\n", 2);
      nats_send(peers[client].socket, request, head + bytes + 2);
    }
    if (ready < 0) ready = 0;
  }
  tell(seconds);
  exit(0);
}

static char out[1 << 20];
static size_t waiting;

static void nats_answer(struct peer *peer, const char *reply, void *data) {
  (void)data;
  if (waiting > sizeof out - 256) nats_send(peer->socket, out, waiting), waiting = 0;
  waiting += sprintf(out + waiting, "PUB %s 2\r\n{}\r\n", reply);
}

static void nats_worker(int port) {
  static struct peer peer;
  nats_connect(&peer, port, "CONNECT {\"verbose\":false}\r\nSUB q 1\r\n");
  for (;;) {
    nats_read(&peer, nats_answer, NULL);
    nats_send(peer.socket, out, waiting);
    waiting = 0;
  }
}

int main(int argc, char **argv) {
  struct rlimit files = {65536, 65536};
  setrlimit(RLIMIT_NOFILE, &files);
  times = malloc(MOST_TIMES * sizeof *times);
  const char *mode = argc > 1 ? argv[1] : "";
  if (strcmp(mode, "zmq-clients") == 0 && argc == 6) zmq_clients(argv[2], atoi(argv[3]), atof(argv[4]), atoi(argv[5]));
  if (strcmp(mode, "zmq-worker") == 0 && argc == 3) zmq_worker(argv[2]);
  if (strcmp(mode, "zmq-server") == 0 && argc == 4) zmq_server(argv[2], argv[3]);
  if (strcmp(mode, "zmq-proxy") == 0 && argc == 4) zmq_proxy_loop(argv[2], argv[3]);
  if (strcmp(mode, "nats-clients") == 0 && argc == 6) nats_clients(atoi(argv[2]), atoi(argv[3]), atof(argv[4]), atoi(argv[5]));
  if (strcmp(mode, "nats-worker") == 0 && argc == 3) nats_worker(atoi(argv[2]));
  fprintf(stderr, "see the head of bench/load.c\n");
  return 2;
}
