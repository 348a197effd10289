// Half a round trip of 8 bytes with a signal behind them, in C on UCX: a peer to measure against.
//
//   put of 8 bytes, ucp_worker_fence, put of an 8-byte mark; the other side waits for the mark
//
// Two processes of this machine play ping-pong through UCX, over UCX_TLS (default: tcp,self). Each
// checks in every round that the bytes in front of the mark are those of that round.
//
//   gcc -std=c17 -O2 -Wall -Wextra -Werror -o ucx_signal ucx_signal.c -lucp -lucs
//   ucx_signal ROUND_TRIPS
//
// Prints one line of JSON. Exit codes: 0 done and checked, 2 bad usage, 3 wrong bytes, 5 anything
// else.
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <ucp/api/ucp.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_CHECK = 3, EXIT_OTHER = 5 };
enum { WAIT_SECONDS = 60, MAX_TRIPS = 10000000, MAX_BLOB = 1 << 16 };

// What the other side writes: data first, the mark behind it.
struct inbox {
  volatile uint64_t data;
  char apart[120];
  volatile uint64_t mark;
};

struct side {
  ucp_context_h context;
  ucp_worker_h worker;
  ucp_mem_h memory;
  ucp_ep_h peer;
  ucp_rkey_h key;
  uint64_t remote;      // the peer's inbox
  struct inbox *inbox;  // ours
  uint64_t words[2];    // sources of puts; not changed until they are done
};

static void fail(const char *what, const char *cause) {
  fprintf(stderr, "ucx_signal: %s: cause=%s\n", what, cause);
  exit(EXIT_OTHER);
}

static void check(ucs_status_t status, const char *what) {
  if (status != UCS_OK) {
    fail(what, ucs_status_string(status));
  }
}

static int64_t now_nanos(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void write_all(int fd, const void *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = write(fd, (const char *)bytes + done, size - done);
    if (n <= 0) {
      fail("other side cannot be written to", strerror(errno));
    }
    done += (size_t)n;
  }
}

static void read_all(int fd, void *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    if (poll(&ready, 1, WAIT_SECONDS * 1000) != 1) {
      fail("other side says nothing", "timeout");
    }
    ssize_t n = read(fd, (char *)bytes + done, size - done);
    if (n <= 0) {
      fail("other side cannot be read", n == 0 ? "it ended" : strerror(errno));
    }
    done += (size_t)n;
  }
}

static void send_blob(int fd, const void *bytes, size_t size) {
  uint64_t length = size;
  write_all(fd, &length, sizeof length);
  write_all(fd, bytes, size);
}

static void *receive_blob(int fd) {
  uint64_t length;
  read_all(fd, &length, sizeof length);
  if (length > MAX_BLOB) {
    fail("other side says nonsense", "length");
  }
  void *bytes = malloc(length);
  if (bytes == NULL) {
    fail("no memory", "malloc");
  }
  read_all(fd, bytes, length);
  return bytes;
}

static void open_side(struct side *side) {
  ucp_params_t params = {.field_mask = UCP_PARAM_FIELD_FEATURES, .features = UCP_FEATURE_RMA};
  ucp_config_t *config;
  check(ucp_config_read(NULL, NULL, &config), "settings cannot be read");
  check(ucp_init(&params, config, &side->context), "no context");
  ucp_config_release(config);
  ucp_worker_params_t worker = {
      .field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE, .thread_mode = UCS_THREAD_MODE_SINGLE};
  check(ucp_worker_create(side->context, &worker, &side->worker), "no worker");
  side->inbox = aligned_alloc(4096, 4096);
  if (side->inbox == NULL) {
    fail("no memory", "aligned_alloc");
  }
  memset(side->inbox, 0, 4096);
  ucp_mem_map_params_t map = {
      .field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH,
      .address = side->inbox,
      .length = 4096};
  check(ucp_mem_map(side->context, &map, &side->memory), "memory cannot be registered");
}

// Both sides tell each other where they are and how their inbox is reached.
static void connect_sides(struct side *side, int fd) {
  ucp_address_t *address;
  size_t address_length, key_length;
  void *key;
  uint64_t inbox = (uint64_t)(uintptr_t)side->inbox;
  check(ucp_worker_get_address(side->worker, &address, &address_length), "no address");
  check(ucp_rkey_pack(side->context, side->memory, &key, &key_length), "no key");
  send_blob(fd, address, address_length);
  send_blob(fd, key, key_length);
  send_blob(fd, &inbox, sizeof inbox);
  ucp_address_t *peer_address = receive_blob(fd);
  void *peer_key = receive_blob(fd);
  uint64_t *remote = receive_blob(fd);
  ucp_ep_params_t endpoint = {
      .field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS, .address = peer_address};
  check(ucp_ep_create(side->worker, &endpoint, &side->peer), "no endpoint");
  check(ucp_ep_rkey_unpack(side->peer, peer_key, &side->key), "key cannot be read");
  side->remote = *remote;
  free(peer_address);
  free(peer_key);
  free(remote);
  ucp_rkey_buffer_release(key);
  ucp_worker_release_address(side->worker, address);
}

static void await(struct side *side, ucs_status_ptr_t request, const char *what) {
  if (request == NULL) {
    return;
  }
  if (UCS_PTR_IS_ERR(request)) {
    check(UCS_PTR_STATUS(request), what);
  }
  int64_t deadline = now_nanos() + (int64_t)WAIT_SECONDS * 1000000000;
  ucs_status_t status;
  while ((status = ucp_request_check_status(request)) == UCS_INPROGRESS) {
    ucp_worker_progress(side->worker);
    if (now_nanos() > deadline) {
      fail(what, "timeout");
    }
  }
  ucp_request_free(request);
  check(status, what);
}

static void put(struct side *side, uint64_t *word, size_t offset) {
  ucp_request_param_t param = {0};
  ucs_status_ptr_t request =
      ucp_put_nbx(side->peer, word, sizeof *word, side->remote + offset, side->key, &param);
  await(side, request, "put failed");
}

static void ping(struct side *side, uint64_t round) {
  side->words[0] = ~round;
  side->words[1] = round;
  put(side, &side->words[0], offsetof(struct inbox, data));
  check(ucp_worker_fence(side->worker), "fence failed");
  put(side, &side->words[1], offsetof(struct inbox, mark));
}

static void pong(struct side *side, uint64_t round) {
  int64_t deadline = 0;
  for (uint64_t turn = 1; side->inbox->mark < round; turn++) {
    ucp_worker_progress(side->worker);
    if (turn % 65536 == 0) {
      int64_t now = now_nanos();
      deadline = deadline == 0 ? now + (int64_t)WAIT_SECONDS * 1000000000 : deadline;
      if (now > deadline) {
        fail("no mark", "timeout");
      }
    }
  }
  if (side->inbox->data != ~round) {
    fprintf(stderr, "ucx_signal: mark came before its data: round=%llu\n",
            (unsigned long long)round);
    exit(EXIT_CHECK);
  }
}

static int by_value(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x < y ? -1 : x > y;
}

static void report(int64_t *nanos, int trips) {
  unsigned major, minor, release;
  ucp_get_version(&major, &minor, &release);
  qsort(nanos, (size_t)trips, sizeof *nanos, by_value);
  printf("{\"round_trips\":%d,\"signal_us_median\":%.4f,\"signal_us_p99\":%.4f,"
         "\"checked\":true,\"ucx\":\"%u.%u.%u\"}\n",
         trips, (double)nanos[trips / 2] / 2e3, (double)nanos[(int)(0.99 * (trips - 1))] / 2e3,
         major, minor, release);
}

static void play(int fd, int asks, int trips) {
  struct side side = {0};
  char ready = 1;
  open_side(&side);
  connect_sides(&side, fd);
  int64_t *nanos = calloc((size_t)trips, sizeof *nanos);
  if (nanos == NULL) {
    fail("no memory", "calloc");
  }
  // As many again in front warm up.
  for (int i = -trips; i < trips; i++) {
    uint64_t round = (uint64_t)(i + trips) + 1;
    int64_t start = now_nanos();
    if (asks) {
      ping(&side, round);
      pong(&side, round);
    } else {
      pong(&side, round);
      ping(&side, round);
    }
    if (i >= 0) {
      nanos[i] = now_nanos() - start;
    }
  }
  // The last mark may still wait in this process.
  ucp_request_param_t none = {0};
  await(&side, ucp_worker_flush_nbx(side.worker, &none), "flush failed");
  write_all(fd, &ready, 1);
  read_all(fd, &ready, 1);
  if (asks) {
    report(nanos, trips);
  }
  free(nanos);
}

int main(int argc, char **argv) {
  char *end = NULL;
  long trips = argc == 2 ? strtol(argv[1], &end, 10) : 0;
  if (trips < 1 || trips > MAX_TRIPS || *end != '\0') {
    fprintf(stderr, "ucx_signal: usage: ucx_signal ROUND_TRIPS\n");
    return EXIT_USAGE;
  }
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || setenv("UCX_TLS", "tcp,self", 0) != 0) {
    fail("cannot start", strerror(errno));
  }
  pid_t child = fork();
  if (child < 0) {
    fail("cannot fork", strerror(errno));
  }
  close(pair[child == 0 ? 0 : 1]);
  play(pair[child == 0 ? 1 : 0], child != 0, (int)trips);
  if (child == 0) {
    return 0;
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_OTHER;
}
