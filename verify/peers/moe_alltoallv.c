// Expert-parallel dispatch and combine the classical way, on MPI: a peer to measure against.
//
//   dispatch   MPI_Alltoall of counts, rows packed by destination rank, MPI_Alltoallv of rows
//   combine    the reverse MPI_Alltoallv, then each token's rows summed in ascending rank order
//
// A row goes once to every rank that owns one of its token's experts. Rows are BF16, sums float32
// from +0.0, rounded once to the nearest even BF16. Experts are the identity. Both results are
// checked before and after timing. Every phase starts on all ranks at one instant; an iteration's
// time is the maximum over ranks.
//
//   mpicc -std=c17 -O3 -march=native -Wall -Wextra -Werror -o moe_alltoallv moe_alltoallv.c
//   mpirun -np 4 moe_alltoallv TOKENS HIDDEN EXPERTS TOPK ITERATIONS SEED
//
// Prints one line of JSON. Exit codes: 0 done and checked, 2 bad usage or input, 3 wrong output,
// 5 anything else.
#define _POSIX_C_SOURCE 200809L
#ifdef __AVX512F__
// GCC is shy of the widest vectors; here they are worth 4 % of a combine.
#pragma GCC target("prefer-vector-width=512")
#endif
#include <errno.h>
#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EXIT_INPUT = 2, EXIT_CHECK = 3, EXIT_OTHER = 5 };
enum { MAX_RANKS = 64, MAX_TOPK = 32, HIDDEN_UNIT = 8, WARM_UPS = 10, BLOCK = 512, PAGE = 4096 };

static const int64_t LEAD_NANOS = 1500000;
static const int64_t YIELD_NANOS = 100000;

typedef uint16_t bf16;

// The job; row counts fit an int because MPI counts rows with it, byte sizes are 64-bit.
struct job {
  int rank, num_ranks;
  int tokens, hidden, experts, topk, iterations;
  uint64_t seed;
};

// Who gets how many rows: counts and first rows by rank, of the send and the receive buffer.
struct plan {
  uint64_t *ranks_of_token;  // bit r: rank r owns one of the token's experts
  int send_counts[MAX_RANKS], send_firsts[MAX_RANKS];
  int recv_counts[MAX_RANKS], recv_firsts[MAX_RANKS];
  int sent_rows, received_rows;
};

struct buffers {
  bf16 *x;         // [tokens, hidden]
  bf16 *packed;    // [sent_rows, hidden], on the way back too
  bf16 *received;  // [received_rows, hidden]
  bf16 *combined;  // [tokens, hidden]
  char *copy_from, *copy_to;
  MPI_Datatype row;
};

// Microseconds by iteration.
struct times {
  double *dispatch, *combine, *copy_dispatch, *copy_combine;
};

// Ends all ranks.
static _Noreturn void fail(int code, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  fprintf(stderr, "moe_alltoallv: %s\n", text);
  MPI_Abort(MPI_COMM_WORLD, code);
  abort();
}

static void check_mpi(int code, const char *call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "unknown";
  int length = 0;
  MPI_Error_string(code, text, &length);
  fail(EXIT_OTHER, "MPI call failed: call=%s, code=%d, text=%s", call, code, text);
}

#define MPI(call) check_mpi((call), #call)

// Memory on page boundaries, every page touched.
static void *allocate(size_t count, size_t element_bytes, const char *what) {
  if (count > (SIZE_MAX - PAGE) / element_bytes) {
    fail(EXIT_INPUT, "too large: what=%s, elements=%zu, elementBytes=%zu", what, count,
         element_bytes);
  }
  size_t bytes = (count * element_bytes / PAGE + 1) * PAGE;
  void *memory = aligned_alloc(PAGE, bytes);
  if (memory == NULL) fail(EXIT_OTHER, "out of memory: what=%s, bytes=%zu", what, bytes);
  return memset(memory, 0xff, bytes);
}

static size_t row_bytes(const struct job *job) { return (size_t)job->hidden * sizeof(bf16); }

static bf16 *row_at(const struct job *job, bf16 *rows, size_t row) {
  return rows + row * (size_t)job->hidden;
}

// ---- inputs: any rank can make those of any other

static uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static uint64_t next_random(uint64_t *state) { return mix(*state += UINT64_C(0x9e3779b97f4a7c15)); }

static uint64_t random_state(const struct job *job, int rank, int token, uint64_t stream) {
  return mix(mix(mix(job->seed + stream) + (uint64_t)rank) + (uint64_t)token);
}

// Values of either sign with magnitudes from 2^-15 up to 2.
static void make_row(const struct job *job, int rank, int token, bf16 *row) {
  uint64_t state = random_state(job, rank, token, 1);
  for (int h = 0; h < job->hidden; h++) {
    uint64_t bits = next_random(&state);
    uint64_t exponent = 112 + (bits & 15);
    row[h] = (bf16)((bits >> 32 & 0x807f) | exponent << 7);
  }
}

// Draws distinct experts and returns the ranks that own them, a bit each.
static uint64_t make_ranks(const struct job *job, int rank, int token) {
  uint64_t state = random_state(job, rank, token, 2);
  int experts_per_rank = job->experts / job->num_ranks;
  int drawn[MAX_TOPK];
  uint64_t ranks = 0;
  for (int k = 0; k < job->topk; k++) {
    int expert, other;
    do {
      expert = (int)(next_random(&state) % (uint64_t)job->experts);
      for (other = 0; other < k && drawn[other] != expert; other++) {
      }
    } while (other < k);
    drawn[k] = expert;
    ranks |= UINT64_C(1) << (expert / experts_per_rank);
  }
  return ranks;
}

// Takes the lowest rank out of the set.
static int take_lowest(uint64_t *ranks) {
  int lowest = __builtin_ctzll(*ranks);
  *ranks &= *ranks - 1;
  return lowest;
}

// ---- the exchange

static int sum_counts(const struct job *job, const int *counts, int *firsts) {
  int rows = 0;
  for (int r = 0; r < job->num_ranks; r++) {
    firsts[r] = rows;
    rows += counts[r];
  }
  return rows;
}

static void exchange_counts(const struct job *job, struct plan *plan) {
  MPI(MPI_Alltoall(plan->send_counts, 1, MPI_INT, plan->recv_counts, 1, MPI_INT, MPI_COMM_WORLD));
  plan->received_rows = sum_counts(job, plan->recv_counts, plan->recv_firsts);
}

// What a layout call computes, and therefore outside the clock.
static struct plan make_plan(const struct job *job) {
  struct plan plan = {.ranks_of_token =
                          allocate((size_t)job->tokens, sizeof(uint64_t), "ranks of tokens")};
  for (int token = 0; token < job->tokens; token++) {
    uint64_t ranks = make_ranks(job, job->rank, token);
    plan.ranks_of_token[token] = ranks;
    while (ranks != 0) plan.send_counts[take_lowest(&ranks)]++;
  }
  plan.sent_rows = sum_counts(job, plan.send_counts, plan.send_firsts);
  exchange_counts(job, &plan);
  return plan;
}

static void pack(const struct job *job, const struct plan *plan, const struct buffers *buffers) {
  int next[MAX_RANKS];
  memcpy(next, plan->send_firsts, sizeof next);
  for (int token = 0; token < job->tokens; token++) {
    const bf16 *row = row_at(job, buffers->x, (size_t)token);
    for (uint64_t ranks = plan->ranks_of_token[token]; ranks != 0;) {
      size_t place = (size_t)next[take_lowest(&ranks)]++;
      memcpy(row_at(job, buffers->packed, place), row, row_bytes(job));
    }
  }
}

static void dispatch(const struct job *job, struct plan *plan, const struct buffers *buffers) {
  exchange_counts(job, plan);
  pack(job, plan, buffers);
  MPI(MPI_Alltoallv(buffers->packed, plan->send_counts, plan->send_firsts, buffers->row,
                    buffers->received, plan->recv_counts, plan->recv_firsts, buffers->row,
                    MPI_COMM_WORLD));
}

static float to_float(bf16 value) {
  uint32_t bits = (uint32_t)value << 16;
  float result;
  memcpy(&result, &bits, sizeof result);
  return result;
}

// To the nearest even; a NaN stays one.
static bf16 to_bf16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  uint32_t quiet = bits >> 16 | 0x40;
  return (bf16)((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
}

// Not inlined, so that GCC does not jam it with the loop over rows, which it then leaves scalar.
__attribute__((noinline)) static void add_row(float *restrict sums, const bf16 *restrict row,
                                              int length) {
  for (int h = 0; h < length; h++) sums[h] += to_float(row[h]);
}

// Sums rows in blocks whose accumulators stay in the first-level cache.
static void sum_rows(const struct job *job, bf16 *const *rows, int num_rows, bf16 *restrict out) {
  float sums[BLOCK];
  for (int begin = 0; begin < job->hidden; begin += BLOCK) {
    int length = job->hidden - begin < BLOCK ? job->hidden - begin : BLOCK;
    memset(sums, 0, sizeof sums);
    for (int r = 0; r < num_rows; r++) add_row(sums, rows[r] + begin, length);
    for (int h = 0; h < length; h++) out[begin + h] = to_bf16(sums[h]);
  }
}

static void combine(const struct job *job, const struct plan *plan, const struct buffers *buffers) {
  MPI(MPI_Alltoallv(buffers->received, plan->recv_counts, plan->recv_firsts, buffers->row,
                    buffers->packed, plan->send_counts, plan->send_firsts, buffers->row,
                    MPI_COMM_WORLD));
  int next[MAX_RANKS];
  memcpy(next, plan->send_firsts, sizeof next);
  for (int token = 0; token < job->tokens; token++) {
    bf16 *rows[MAX_RANKS];
    int num_rows = 0;
    for (uint64_t ranks = plan->ranks_of_token[token]; ranks != 0;) {
      rows[num_rows++] = row_at(job, buffers->packed, (size_t)next[take_lowest(&ranks)]++);
    }
    sum_rows(job, rows, num_rows, row_at(job, buffers->combined, (size_t)token));
  }
}

// ---- checks

static void check_received(const struct job *job, const struct plan *plan,
                           const struct buffers *buffers) {
  bf16 *expected = allocate((size_t)job->hidden, sizeof(bf16), "expected row");
  size_t place = 0;
  for (int source = 0; source < job->num_ranks; source++) {
    for (int token = 0; token < job->tokens; token++) {
      if ((make_ranks(job, source, token) >> job->rank & 1) == 0) continue;
      make_row(job, source, token, expected);
      if (place >= (size_t)plan->received_rows ||
          memcmp(expected, row_at(job, buffers->received, place), row_bytes(job)) != 0) {
        fail(EXIT_CHECK, "wrong row received: rank=%d, source=%d, token=%d, row=%zu", job->rank,
             source, token, place);
      }
      place++;
    }
  }
  if (place != (size_t)plan->received_rows) {
    fail(EXIT_CHECK, "rows too many: rank=%d, rows=%d, expected=%zu", job->rank,
         plan->received_rows, place);
  }
  free(expected);
}

// Of the BF16 values around an exact sum the nearest, at a tie the even one: not by the arithmetic
// that is checked.
static bf16 nearest_bf16(float exact) {
  uint32_t bits;
  memcpy(&bits, &exact, sizeof bits);
  bf16 below = (bf16)(bits >> 16), above = (bf16)(below + 1);
  float to_below = exact - to_float(below), to_above = to_float(above) - exact;
  if (to_below < 0) to_below = -to_below;
  if (to_above < 0) to_above = -to_above;
  if (to_below != to_above) return to_below < to_above ? below : above;
  return below % 2 == 0 ? below : above;
}

// The identity gives n equal rows back, and n times a BF16 is exact in float32.
static void check_combined(const struct job *job, const struct plan *plan,
                           const struct buffers *buffers) {
  for (int token = 0; token < job->tokens; token++) {
    float num_rows = (float)__builtin_popcountll(plan->ranks_of_token[token]);
    const bf16 *row = row_at(job, buffers->x, (size_t)token);
    const bf16 *got = row_at(job, buffers->combined, (size_t)token);
    for (int h = 0; h < job->hidden; h++) {
      bf16 expected = nearest_bf16(num_rows * to_float(row[h]));
      if (got[h] != expected) {
        fail(EXIT_CHECK, "wrong sum: rank=%d, token=%d, channel=%d, expected=%04x, seen=%04x",
             job->rank, token, h, (unsigned)expected, (unsigned)got[h]);
      }
    }
  }
}

// One untimed round in which nothing left over from another can pass for a result.
static void check_round(const struct job *job, struct plan *plan, const struct buffers *buffers) {
  memset(buffers->packed, 0xff, (size_t)plan->sent_rows * row_bytes(job));
  memset(buffers->received, 0xff, (size_t)plan->received_rows * row_bytes(job));
  dispatch(job, plan, buffers);
  check_received(job, plan, buffers);
  memset(buffers->packed, 0xff, (size_t)plan->sent_rows * row_bytes(job));
  memset(buffers->combined, 0xff, (size_t)job->tokens * row_bytes(job));
  combine(job, plan, buffers);
  check_combined(job, plan, buffers);
}

// ---- timing

static int64_t now_nanos(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) fail(EXIT_OTHER, "no clock: errno=%d", errno);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static double micros_since(int64_t start) { return (double)(now_nanos() - start) / 1e3; }

// Waits for the instant on which all ranks agreed: shortly after the last of them was ready.
static int64_t await_start(void) {
  int64_t ready = now_nanos() + LEAD_NANOS, start = 0;
  MPI(MPI_Allreduce(&ready, &start, 1, MPI_INT64_T, MPI_MAX, MPI_COMM_WORLD));
  for (int64_t left = start - now_nanos(); left > 0; left = start - now_nanos()) {
    struct timespec nap = {.tv_nsec = left - YIELD_NANOS};
    if (left > YIELD_NANOS) {
      nanosleep(&nap, NULL);
    } else {
      sched_yield();
    }
  }
  return start;
}

static double time_copy(const struct job *job, const struct buffers *buffers, int rows) {
  int64_t start = await_start();
  memcpy(buffers->copy_to, buffers->copy_from, (size_t)rows * row_bytes(job));
  return micros_since(start);
}

static void time_round(const struct job *job, struct plan *plan, const struct buffers *buffers,
                       struct times *times, int iteration) {
  int64_t start = await_start();
  dispatch(job, plan, buffers);
  times->dispatch[iteration] = micros_since(start);
  start = await_start();
  combine(job, plan, buffers);
  times->combine[iteration] = micros_since(start);
  times->copy_dispatch[iteration] = time_copy(job, buffers, plan->sent_rows);
  times->copy_combine[iteration] = time_copy(job, buffers, plan->received_rows);
}

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// On rank 0 the maximum over ranks of every iteration, ascending.
static void gather_slowest(const struct job *job, double *times) {
  const void *mine = job->rank == 0 ? MPI_IN_PLACE : times;
  MPI(MPI_Reduce(mine, times, job->iterations, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD));
  qsort(times, (size_t)job->iterations, sizeof *times, compare_doubles);
}

static double percentile(const struct job *job, const double *sorted, int percent) {
  int64_t place = ((int64_t)job->iterations * percent + 99) / 100;
  return sorted[place - 1];
}

// ---- command line and report

static int64_t number(const char *text, const char *name, int64_t low, int64_t high) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < low || value > high) {
    fail(EXIT_INPUT, "argument out of range: name=%s, value=%s, low=%lld, high=%lld", name, text,
         (long long)low, (long long)high);
  }
  return value;
}

static struct job parse(int count, char **arguments) {
  struct job job;
  MPI(MPI_Comm_rank(MPI_COMM_WORLD, &job.rank));
  MPI(MPI_Comm_size(MPI_COMM_WORLD, &job.num_ranks));
  if (count != 7)
    fail(EXIT_INPUT, "usage: %s TOKENS HIDDEN EXPERTS TOPK ITERATIONS SEED", arguments[0]);
  if (job.num_ranks > MAX_RANKS)
    fail(EXIT_INPUT, "too many ranks: ranks=%d, limit=%d", job.num_ranks, MAX_RANKS);
  job.tokens = (int)number(arguments[1], "tokens", 1, INT_MAX);
  job.hidden = (int)number(arguments[2], "hidden", HIDDEN_UNIT, INT_MAX / 4);
  job.experts = (int)number(arguments[3], "experts", 1, INT_MAX);
  job.topk = (int)number(arguments[4], "topk", 1, MAX_TOPK);
  job.iterations = (int)number(arguments[5], "iterations", 1, INT_MAX);
  job.seed = (uint64_t)number(arguments[6], "seed", INT64_MIN, INT64_MAX);
  if (job.hidden % HIDDEN_UNIT != 0)
    fail(EXIT_INPUT, "hidden is no multiple of %d: hidden=%d", HIDDEN_UNIT, job.hidden);
  if (job.topk > job.experts)
    fail(EXIT_INPUT, "topk exceeds experts: topk=%d, experts=%d", job.topk, job.experts);
  if (job.experts % job.num_ranks != 0) {
    fail(EXIT_INPUT, "ranks do not divide experts: ranks=%d, experts=%d", job.num_ranks,
         job.experts);
  }
  if (job.tokens > INT_MAX / job.num_ranks) {
    fail(EXIT_INPUT, "a rank may get more rows than MPI can count: tokens=%d, ranks=%d, limit=%d",
         job.tokens, job.num_ranks, INT_MAX);
  }
  return job;
}

static struct buffers make_buffers(const struct job *job, const struct plan *plan) {
  size_t hidden = (size_t)job->hidden, tokens = (size_t)job->tokens;
  size_t sent = (size_t)plan->sent_rows * hidden, received = (size_t)plan->received_rows * hidden;
  size_t copied = sent > received ? sent : received;
  struct buffers buffers = {
      .x = allocate(tokens * hidden, sizeof(bf16), "x"),
      .packed = allocate(sent, sizeof(bf16), "packed rows"),
      .received = allocate(received, sizeof(bf16), "received rows"),
      .combined = allocate(tokens * hidden, sizeof(bf16), "combined"),
      .copy_from = allocate(copied, sizeof(bf16), "copy source"),
      .copy_to = allocate(copied, sizeof(bf16), "copy target"),
  };
  for (int token = 0; token < job->tokens; token++) {
    make_row(job, job->rank, token, row_at(job, buffers.x, (size_t)token));
  }
  MPI(MPI_Type_contiguous(job->hidden, MPI_UINT16_T, &buffers.row));
  MPI(MPI_Type_commit(&buffers.row));
  return buffers;
}

static void free_buffers(struct buffers *buffers) {
  MPI(MPI_Type_free(&buffers->row));
  free(buffers->x);
  free(buffers->packed);
  free(buffers->received);
  free(buffers->combined);
  free(buffers->copy_from);
  free(buffers->copy_to);
}

static void print_report(const struct job *job, const struct times *times, int64_t all_rows) {
  char library[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI(MPI_Get_library_version(library, &length));
  library[strcspn(library, ",\"\\\n")] = '\0';
  double bytes = (double)all_rows * (double)row_bytes(job);
  printf("{\"ranks\":%d,\"tokens\":%d,\"hidden\":%d,\"experts\":%d,\"topk\":%d,\"iterations\":%d,",
         job->num_ranks, job->tokens, job->hidden, job->experts, job->topk, job->iterations);
  printf("\"seed\":%lld,\"rows\":%lld,", (long long)job->seed, (long long)all_rows);
  printf("\"dispatch_us_median\":%.3f,\"dispatch_us_p99\":%.3f,",
         percentile(job, times->dispatch, 50), percentile(job, times->dispatch, 99));
  printf("\"combine_us_median\":%.3f,\"combine_us_p99\":%.3f,", percentile(job, times->combine, 50),
         percentile(job, times->combine, 99));
  printf("\"copy_gbps_dispatch\":%.3f,\"copy_gbps_combine\":%.3f,",
         bytes / percentile(job, times->copy_dispatch, 50) / 1e3,
         bytes / percentile(job, times->copy_combine, 50) / 1e3);
  printf("\"checked\":true,\"mpi\":\"%s\"}\n", library);
  if (fflush(stdout) != 0) fail(EXIT_OTHER, "report could not be written: errno=%d", errno);
}

static void run(const struct job *job) {
  struct plan plan = make_plan(job);
  struct buffers buffers = make_buffers(job, &plan);
  size_t iterations = (size_t)job->iterations;
  struct times times = {
      .dispatch = allocate(iterations, sizeof(double), "times"),
      .combine = allocate(iterations, sizeof(double), "times"),
      .copy_dispatch = allocate(iterations, sizeof(double), "times"),
      .copy_combine = allocate(iterations, sizeof(double), "times"),
  };
  check_round(job, &plan, &buffers);
  for (int i = 0; i < WARM_UPS; i++) time_round(job, &plan, &buffers, &times, 0);
  for (int i = 0; i < job->iterations; i++) time_round(job, &plan, &buffers, &times, i);
  check_round(job, &plan, &buffers);

  double *all_times[] = {times.dispatch, times.combine, times.copy_dispatch, times.copy_combine};
  for (int i = 0; i < 4; i++) gather_slowest(job, all_times[i]);
  int64_t mine = plan.sent_rows, all_rows = 0;
  MPI(MPI_Reduce(&mine, &all_rows, 1, MPI_INT64_T, MPI_SUM, 0, MPI_COMM_WORLD));
  // No rank may fail its check after the report.
  MPI(MPI_Barrier(MPI_COMM_WORLD));
  if (job->rank == 0) print_report(job, &times, all_rows);
  for (int i = 0; i < 4; i++) free(all_times[i]);
  free_buffers(&buffers);
  free(plan.ranks_of_token);
}

int main(int count, char **arguments) {
  MPI(MPI_Init(&count, &arguments));
  MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
  struct job job = parse(count, arguments);
  run(&job);
  MPI(MPI_Finalize());
  return 0;
}
