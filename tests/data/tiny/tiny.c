/* A tiny real HTTP server for tests: its environment switches how it behaves.
 *
 *   VERSION, PROFILE      shown at / with the host name, as `version=… profile=… host=…`
 *   PORT                  where it listens (8080)
 *   HEALTH                status of /health and /actuator/health (200)
 *   HEALTH_HANGS=1        a health check is accepted and never answered
 *   FAIL_AFTER=SECONDS    healthy that long after its start, then 500
 *   START_DELAY=SECONDS   listens only then
 *   CRASH_AFTER=SECONDS   ends by itself, with EXIT_CODE (1)
 *   SLOW=SECONDS          / answers only then; /slow?SECONDS does so for one request
 *   IGNORE_TERM=1         SIGTERM changes nothing
 *   ALLOCATE=MEGABYTES    memory that is really used, before it listens
 *   LOGGING_FILE_NAME     a file that gets the log too; it ends with 3 when it cannot write there
 *
 * `tiny --healthcheck` ends with 0 or 1 as HEALTH says, for an image with a HEALTHCHECK.
 * /echo answers with the request's line, headers and the size of its body; /env with the environment;
 * /endless with a line each second until one side leaves; `Upgrade:` with 101 and then what it is sent.
 * SIGTERM: it stops listening, answers what it has begun, and ends with 143, as Java does.
 * Durations may have a fraction.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 65536

extern char **environ;
static atomic_int busy, ending;
static double started;
static FILE *log_file;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void wait_for(double seconds) {
  struct timespec t = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
  while (nanosleep(&t, &t) && errno == EINTR) {
  }
}

static const char *text(const char *name, const char *otherwise) {
  const char *value = getenv(name);
  return value && *value ? value : otherwise;
}

static double number(const char *name, double otherwise) {
  const char *value = getenv(name);
  return value && *value ? atof(value) : otherwise;
}

static void say(const char *format, ...) {
  FILE *to[] = {stdout, log_file};
  for (int i = 0; i < 2; i++) {
    if (!to[i]) continue;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(to[i], format, arguments);
    va_end(arguments);
    fputc('\n', to[i]);
    fflush(to[i]);
  }
}

/* A connection, with what was read of it and not used yet. */
struct connection {
  int socket;
  size_t have;
  char buffer[HEAD_MAX + 1];
};

static int send_all(int socket, const char *data, size_t size) {
  while (size) {
    ssize_t sent = send(socket, data, size, MSG_NOSIGNAL);
    if (sent <= 0) return 0;
    data += sent;
    size -= sent;
  }
  return 1;
}

static int answer(int socket, int status, const char *body) {
  char head[512];
  int size = snprintf(head, sizeof head,
                      "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\nContent-Type: text/plain\r\n"
                      "X-Version: %s\r\n%s\r\n",
                      status, status < 400 ? "OK" : "Failed", strlen(body), text("VERSION", "none"),
                      ending ? "Connection: close\r\n" : "");
  return send_all(socket, head, size) && send_all(socket, body, strlen(body));
}

static ssize_t more(struct connection *c) {
  ssize_t got = recv(c->socket, c->buffer + c->have, HEAD_MAX - c->have, 0);
  if (got > 0) c->buffer[c->have += got] = 0;
  return got;
}

static void use(struct connection *c, size_t size) {
  memmove(c->buffer, c->buffer + size, c->have - size + 1);
  c->have -= size;
}

/* Reads on up to the end of a request's head; its size, or 0 when the other side left. */
static size_t read_head(struct connection *c) {
  char *end;
  while (!(end = strstr(c->buffer, "\r\n\r\n"))) {
    struct pollfd wait = {c->socket, POLLIN, 0};
    while (!c->have && poll(&wait, 1, 200) == 0)
      if (ending) return 0; /* an idle connection is closed; a request that has begun is answered */
    if (more(c) <= 0) return 0;
  }
  return end + 4 - c->buffer;
}

static const char *header(const char *head, const char *name) {
  size_t size = strlen(name);
  for (const char *line = strstr(head, "\r\n"); line && line[2] && line[2] != '\r'; line = strstr(line + 2, "\r\n"))
    if (!strncasecmp(line + 2, name, size) && line[2 + size] == ':') return line + 2 + size + 1 + strspn(line + 3 + size, " ");
  return NULL;
}

/* Drops that many bytes of the connection; 0 when the other side left. */
static int skip(struct connection *c, size_t size) {
  while (size) {
    if (!c->have && more(c) <= 0) return 0;
    size_t part = c->have < size ? c->have : size;
    use(c, part);
    size -= part;
  }
  return 1;
}

/* Reads a body, by its length or in chunks; its size, or -1 when the other side left. */
static long read_body(struct connection *c, long length, int chunked) {
  if (!chunked) return skip(c, length) ? length : -1;
  for (long total = 0;;) {
    char *end;
    while (!(end = strstr(c->buffer, "\r\n")))
      if (more(c) <= 0) return -1;
    long size = strtol(c->buffer, NULL, 16);
    use(c, end + 2 - c->buffer);
    if (!skip(c, size + 2)) return -1;
    total += size;
    if (!size) return total;
  }
}

static int tell_health(int socket) {
  if (number("HEALTH_HANGS", 0))
    while (!ending) wait_for(0.1);
  double fail_after = number("FAIL_AFTER", -1);
  int status = fail_after >= 0 && now() - started >= fail_after ? 500 : (int)number("HEALTH", 200);
  return answer(socket, status, status < 400 ? "{\"status\":\"UP\"}\n" : "{\"status\":\"DOWN\",\"why\":\"told to fail\"}\n");
}

static int tell_environment(int socket) {
  char body[HEAD_MAX] = "";
  size_t size = 0;
  for (char **entry = environ; *entry && size < sizeof body - 1; entry++)
    size += snprintf(body + size, sizeof body - size, "%s\n", *entry);
  return answer(socket, 200, body);
}

static int endless(int socket) {
  const char *head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n";
  int alive = send_all(socket, head, strlen(head));
  while (alive) {
    alive = send_all(socket, "still here\n", 11);
    wait_for(1);
  }
  return 0;
}

static int upgrade(struct connection *c, const char *protocol) {
  char head[256];
  int size = snprintf(head, sizeof head, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: %.*s\r\nConnection: Upgrade\r\n\r\n",
                      (int)strcspn(protocol, "\r\n"), protocol);
  int alive = send_all(c->socket, head, size);
  while (alive && (c->have || more(c) > 0)) {
    alive = send_all(c->socket, c->buffer, c->have);
    use(c, c->have);
  }
  return 0;
}

static int tell_page(int socket) {
  char body[512], host[128] = "";
  wait_for(number("SLOW", 0));
  gethostname(host, sizeof host - 1);
  snprintf(body, sizeof body, "version=%s profile=%s host=%s\n", text("VERSION", "none"), text("PROFILE", "none"), host);
  return answer(socket, 200, body);
}

/* Answers one request; 0 when the connection is to be closed. */
static int serve(struct connection *c) {
  static __thread char head[HEAD_MAX + 1], body[HEAD_MAX + 64];
  char path[1024] = "";
  size_t size = read_head(c);
  if (!size) return 0;
  memcpy(head, c->buffer, size);
  head[size] = 0;
  use(c, size);
  sscanf(head, "%*s %1023s", path);
  const char *length = header(head, "Content-Length"), *protocol = header(head, "Upgrade");
  const char *encoding = header(head, "Transfer-Encoding"), *expect = header(head, "Expect");
  const char *closing = header(head, "Connection");
  if (expect && !send_all(c->socket, "HTTP/1.1 100 Continue\r\n\r\n", 25)) return 0;
  long got = read_body(c, length ? atol(length) : 0, encoding && !strncasecmp(encoding, "chunked", 7));
  if (got < 0) return 0;
  char *query = strchr(path, '?');
  if (query) *query++ = 0;
  int alive;
  if (protocol) return upgrade(c, protocol);
  if (!strcmp(path, "/health") || !strcmp(path, "/actuator/health")) alive = tell_health(c->socket);
  else if (!strcmp(path, "/env")) alive = tell_environment(c->socket);
  else if (!strcmp(path, "/endless")) alive = endless(c->socket);
  else if (!strcmp(path, "/echo")) {
    snprintf(body, sizeof body, "%sbody: %ld bytes\n", head, got);
    alive = answer(c->socket, 200, body);
  } else {
    if (!strcmp(path, "/slow")) wait_for(query ? atof(query) : 20);
    alive = tell_page(c->socket);
  }
  int last = (closing && !strncasecmp(closing, "close", 5)) || (strstr(head, " HTTP/1.0\r\n") && !closing);
  return alive && !last && !ending;
}

static void *converse(void *argument) {
  struct connection *c = argument;
  while (serve(c)) {
  }
  shutdown(c->socket, SHUT_WR);
  close(c->socket);
  free(c);
  busy--;
  return NULL;
}

static int listen_at(int port) {
  int on = 1, off = 0, listener = socket(AF_INET6, SOCK_STREAM, 0), family = AF_INET6;
  if (listener < 0) listener = socket(family = AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (family == AF_INET6) setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  int bound = family == AF_INET6 ? bind(listener, (void *)&six, sizeof six) : bind(listener, (void *)&four, sizeof four);
  if (bound || listen(listener, 1024)) {
    say("cannot listen on port %d: %s", port, strerror(errno));
    exit(1);
  }
  return listener;
}

static void *crash(void *argument) {
  wait_for(number("CRASH_AFTER", 0));
  say("crashing, as told");
  _exit((int)number("EXIT_CODE", 1));
  return argument;
}

static void end(int signal) {
  (void)signal;
  ending = 1;
}

static void react_to_signals(void) {
  struct sigaction action = {.sa_handler = number("IGNORE_TERM", 0) ? SIG_IGN : end};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
}

static void begin(void) {
  pthread_t thread;
  const char *name = getenv("LOGGING_FILE_NAME");
  if (name && *name && !(log_file = fopen(name, "a"))) {
    say("cannot write %s: %s", name, strerror(errno));
    exit(3);
  }
  say("starting version %s, profile %s", text("VERSION", "none"), text("PROFILE", "none"));
  if (getenv("CRASH_AFTER")) pthread_create(&thread, NULL, crash, NULL);
  size_t wanted = (size_t)number("ALLOCATE", 0) << 20;
  for (size_t size = 0; size < wanted; size += 1 << 20) memset(malloc(1 << 20), 1, 1 << 20);
  wait_for(number("START_DELAY", 0));
}

int main(int count, char **arguments) {
  if (count > 1 && !strcmp(arguments[1], "--healthcheck")) return number("HEALTH", 200) >= 400;
  react_to_signals();
  begin();
  int port = (int)number("PORT", 8080), on = 1, listener = listen_at(port);
  started = now();
  say("started, listening on port %d", port);
  while (!ending) {
    struct pollfd wait = {listener, POLLIN, 0};
    if (poll(&wait, 1, 200) <= 0) continue;
    struct connection *c = malloc(sizeof *c);
    c->socket = accept(listener, NULL, NULL);
    c->have = 0;
    c->buffer[0] = 0;
    setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 512 << 10);
    busy++;
    if (c->socket < 0 || pthread_create(&thread, &attributes, converse, c)) {
      if (c->socket >= 0) close(c->socket);
      free(c);
      busy--;
    }
    pthread_attr_destroy(&attributes);
  }
  close(listener);
  say("told to end, %d connections", busy);
  while (busy) wait_for(0.02);
  say("ended");
  return 143;
}
