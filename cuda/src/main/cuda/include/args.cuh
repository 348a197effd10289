// What Java and the kernels share: every struct consists of 64-bit words (and text where it says
// so), in the order of the Java class Structs. layouts.cuh publishes the offsets, and a test compares
// them.
#pragma once

#include <cstddef>

#include "ptx.cuh"

namespace crossdock {

constexpr int kEntrySlots = 2;
constexpr int kReasonBytes = 512;
constexpr int kMaxOutputWindows = 64;
constexpr int kWarpThreads = 32;
constexpr u64 kNoRefusal = ~0ull;

// What a rank entered an epoch with; ordinals of the Java enum CallKind.
enum CallKind : u64 {
  kFreshDispatch = 0,
  kCachedDispatch = 1,
  kDispatchRound = 2,
  kCombine = 3,
  kCombineRound = 4,
  kRefused = 5,
};

// What a rank says of itself; ordinals of the Java enum PeerState.
enum PeerState : u64 { kRunning = 0, kLeaving = 1, kAborted = 2 };

// How a call ended.
enum OutcomeCode : u64 {
  kProceed = 0,
  kRefusedCall = 1,
  kMismatch = 2,
  kOverCapacity = 3,
  kTimeout = 4,
  kPeerLeft = 5,
  kPeerAborted = 6,
  kUnusable = 7,     // was aborted before the call began
  kMaskedOut = 8,    // low latency: a peer masked this rank
  kHookPending = 9,  // low latency: the call that used the slots before is not complete
};

enum Phase : u64 {
  kEnterPhase = 0,
  kFinishPhase = 1,
  kPullPhase = 2,
  kBarrierPhase = 3,
  kGrantPhase = 4,
  kReceivePhase = 5,
  kAnnouncePhase = 6,  // words of this phase carry an epoch in their upper bits
};

// Why a device refused a call; 0 stands for text from the host.
enum Refusal : u64 {
  kTextRefusal = 0,
  kExpertOutOfRange = 1,
  kExpertRepeated = 2,
  kForeignLayout = 3,
  kNotDispatched = 4,
};

// Where things lie in the memory of every rank. The same on all ranks of a buffer, but for the
// pointers. Offsets count from the start of a rank's memory.
//
// | entries [2][R] | finished [R] | pulled [R] | states [R] | barriers [R] | what only the host reads |
// | receive windows | output windows |
struct Geometry {
  u64 rank;
  u64 num_ranks;
  u64 timeout_nanos;
  u64 peers;       // u64[R]: start of each rank's memory, as this GPU sees it
  u64 memory;      // start of this rank's own
  u64 on_one_gpu;  // 1: no peer reads flags from elsewhere than this GPU and process
  u64 local;       // LocalState of this rank
  u64 entries;
  u64 entry_pitch;
  u64 finished;
  u64 pulled;
  u64 states;
  u64 barriers;
  u64 receive;
  u64 receive_pitch;
  u64 recv_scales;  // this and the next three: offsets inside a receive window, whose rows come first
  u64 recv_topk_idx;
  u64 recv_topk_weights;
  u64 recv_source;
  u64 output;
  u64 output_pitch;
  u64 output_weights;  // offset inside an output window, whose rows come first
  u64 capacity_rows;
};

// Head of an entry; its text, rank counts (i64[R]) and counts of the receiver's experts (i32)
// follow. The epoch is the flag.
struct EntryHeader {
  u64 epoch;
  u64 kind;
  u64 window;
  u64 capacity_rows;
  u64 output_rows;
  u64 row_bytes;
  u64 scale_bytes;
  u64 topk;
  u64 index_bytes;
  u64 num_experts;
  u64 weights;
  u64 dtype;
  u64 handle_epoch;
  u64 round;
  u64 can_round;
  u64 refusal;
  u64 fact0;
  u64 fact1;
  u64 fact2;
};

struct Outcome {
  u64 code;
  u64 peer;
  u64 phase;
  u64 expected;
  u64 seen;
  u64 waited_nanos;
  u64 fact0;
  u64 fact1;
  u64 fact2;
};

// How a call ended, in pinned host memory. The ticket is the flag; it is stored together with the epoch.
struct Report {
  u64 ticket;
  u64 epoch;
  Outcome outcome;
  EntryHeader first;    // of rank 0
  EntryHeader culprit;  // of the rank that caused the outcome
  char reason[kReasonBytes];
};

// Where a kernel reports to. Sticky reports, of calls in a graph, are written on failure only.
struct Reporting {
  u64 report;
  u64 ticket;
  u64 sticky;
};

// This rank's own state, in device memory that no peer sees.
struct LocalState {
  u64 epoch;     // of the last call that is over
  u64 arrivals;  // blocks of the running grid that reached its first or second meeting point
  u64 departures;
  u64 failed;       // claimed by the first warp of the running grid that fails
  u64 entered;      // outcome of the last enter_dispatch
  u64 refusal_key;  // lowest (token, choice, kind) that is wrong
  u64 barrier;      // of the last barrier that is over
  u64 claimed;      // units of work that warps of the running grid took
  Outcome outcome;
  u64 output_epochs[kMaxOutputWindows];  // when each output window was left to its readers
};

// The device side of a handle.
struct HandlePointers {
  u64 epoch;      // u64
  u64 prefix;     // i64[R][R]: rows that ranks up to and including the first send to the second
  u64 positions;  // i32[tokens][R]: position among the rows sent to that rank, or -1
  u64 sources;    // i32[rows]: source token index of each received row
};

// Head of what a fresh dispatch tells the host that waits for sizes, in pinned memory. The ticket is the
// flag.
struct CountsHeader {
  u64 ticket;
  u64 epoch;
};

struct EnterArgs {
  Geometry geometry;
  EntryHeader entry;
  HandlePointers handle;
  Reporting reporting;
  u64 counts;  // pinned: CountsHeader, i64 prefix[R][R], i32 counts of local experts; 0 for none
  u64 num_tokens;
  u64 topk_idx;  // 0: the layout decides
  u64 topk_idx_pitch;
  u64 layout_in_rank;        // u8[tokens][R]
  u64 layout_rank_counts;    // i32[R]
  u64 layout_expert_counts;  // i32[E]
  u64 rank_counts;           // scratch: i64[R]
  u64 expert_counts;         // scratch: i32[E]
};

struct PlaceArgs {
  Geometry geometry;
  EntryHeader entry;
  HandlePointers handle;  // sources is 0 for a cached dispatch
  Reporting reporting;
  u64 entered;  // 1: enter_dispatch ran before and decided
  u64 num_tokens;
  u64 x;
  u64 x_pitch;
  u64 scales;
  u64 scales_pitch;
  u64 topk_idx;
  u64 topk_idx_pitch;
  u64 topk_weights;
  u64 topk_weights_pitch;
  u64 first_row;    // of this round
  u64 piece_bytes;  // a row travels in pieces of at most this size, a multiple of 16
  u64 num_stages;   // pieces in flight of each moving warp
  u64 out_rows;     // owned placement: where rows go from the window; 0 when borrowed
  u64 out_scales;
  u64 out_topk_idx;
  u64 out_topk_weights;
  u64 worst_rows;  // rows of the outputs; those behind the last get -1 and 0; 0 for none
  u64 tail_topk_idx;
  u64 tail_topk_weights;
};

// What a combine kernel does.
enum CombineMode : u64 {
  kSumFromWindows = 0,
  kGather = 1,       // one round: copies this rank's rows of the round home
  kSumGathered = 2,  // after the last round; no exchange
};

struct CombineArgs {
  Geometry geometry;
  EntryHeader entry;
  HandlePointers handle;
  Reporting reporting;
  u64 mode;
  u64 num_tokens;
  u64 y;  // 0 when the rows lie in the window
  u64 y_pitch;
  u64 weights;  // 0 when they lie in the window, or there are none
  u64 weights_pitch;
  u64 bias0;
  u64 bias0_pitch;
  u64 bias1;
  u64 bias1_pitch;
  u64 combined_x;
  u64 combined_x_pitch;
  u64 combined_weights;  // 0: no weights
  u64 combined_weights_pitch;
  u64 first_row;         // of this round
  u64 gathered;          // [tokens][max_per_token] rows
  u64 gathered_weights;  // [tokens][max_per_token][K]
  u64 max_per_token;
};

struct RefuseArgs {
  Geometry geometry;
  EntryHeader entry;
  Reporting reporting;
  char reason[kReasonBytes];
};

struct AwaitPulledArgs {
  Geometry geometry;
  Reporting reporting;
  u64 window;
};

struct BarrierArgs {
  Geometry geometry;
  Reporting reporting;
};

struct LayoutArgs {
  Reporting reporting;
  u64 scratch;  // u64[2]: refusal key, arrivals
  u64 topk_idx;
  u64 topk_idx_pitch;
  u64 index_bytes;
  u64 num_tokens;
  u64 topk;
  u64 num_experts;
  u64 num_ranks;
  u64 num_local_ranks;
  u64 tokens_per_rank;    // i32[R]
  u64 tokens_per_node;    // i32[nodes]; 0 on one node
  u64 tokens_per_expert;  // i32[E]
  u64 token_in_rank;      // u8[tokens][R]
};

// How scales are made and stored.
enum ScaleKind : u64 { kAmaxScale = 0, kPowerOfTwoScale = 1, kUe8m0Scale = 2 };

struct CastArgs {
  u64 x;  // BF16
  u64 x_pitch;
  u64 codes;
  u64 codes_pitch;
  u64 scales;
  u64 scales_pitch;
  u64 num_tokens;
  u64 hidden;
  u64 scale_kind;
};

struct CopyArgs {
  u64 from;
  u64 to;
  u64 num_bytes;
};

struct BusyArgs {
  u64 num_steps;
  u64 sink;
};

struct ClockArgs {
  u64 to;
};

constexpr u64 kSlotSets = 2;
constexpr u64 kMaxLowLatencyRanks = 1024;

// The calls of low-latency mode; ordinals of the Java enum LowLatencyKind.
enum LlKind : u64 { kLlDispatch = 0, kLlCombine = 1, kLlClean = 2 };

// How rows of a low-latency dispatch travel; ordinals of the Java enum LowLatencyFormat.
enum LlFormat : u64 { kLlBf16 = 0, kLlFp8 = 1, kLlFp8PowerOfTwo = 2, kLlFp8Ue8m0 = 3 };

// Where low-latency mode lies in the memory of every rank, behind the windows; and this rank's own state
// of it, by address. The Geometry beside it has a LocalState of its own.
//
// | completed [R] | masked by [R] | refusals [2][R] | flag lines [2][R] | announcements [2][R] |
// | announced counts [2][R][E] | sent words [2][R][256] | dispatch lanes [2][R] | combine lanes [2][R] |
// | result areas [2] |
struct LlGeometry {
  u64 hidden;
  u64 num_slots;   // of a lane
  u64 may_shrink;  // 1: who does not come is masked
  u64 completed;
  u64 masked_by;
  u64 refusals;
  u64 refusal_pitch;
  u64 flags;
  u64 flag_pitch;
  u64 dispatch;
  u64 dispatch_pitch;
  u64 lane_scales;  // this and the next: offsets inside a dispatch lane, whose rows come first
  u64 lane_sources;
  u64 combine;
  u64 combine_pitch;
  u64 announcements;  // u64: what a source enters a dispatch with
  u64 counts;         // u64[E]: rows for each expert
  u64 counts_pitch;
  u64 sent;  // u64[kMaxSenders]: of the blocks of a source, which have sent their rows
  u64 sent_pitch;
  u64 areas;  // where results lie, rows first; the next three are offsets inside an area
  u64 area_pitch;
  u64 area_scales;
  u64 area_sources;
  u64 area_outputs;
  u64 pulled;         // u64[2]: the last combine that let its peers read the outputs of an area
  u64 masks;          // u64[R]: 1 if this rank gave a rank up
  u64 decisions;      // u64[R]: how a wait that was nearly over ended, tagged with the epoch
  u64 open;           // u64[2]: the call that uses a slot set and is not complete, or 0
  u64 expert_counts;  // i32[E]: what a dispatch sends to each expert
};

// What the ranks of a low-latency call agree on.
struct LlTerms {
  u64 kind;
  u64 format;
  u64 num_experts;
  u64 num_max_tokens;
  u64 handle_epoch;
};

// Where the rows of a source lie once its flag is there.
constexpr u64 kInLanes = 0;  // and of an area, its number + 1

// Head of a flag line; rows for each expert of the receiver (i32) follow. The epoch is the flag.
struct LlFlag {
  u64 epoch;
  LlTerms terms;
  u64 place;  // kInLanes, or the area of the source that a combine reads from
};

// Why a rank's call is invalid; text follows. The epoch is the flag.
struct LlRefusal {
  u64 epoch;
  u64 code;
  u64 fact0;
  u64 fact1;
  u64 fact2;
};

// What a low-latency dispatch leaves for its combine, in device memory.
struct LlHandle {
  u64 epoch;    // u64: of the dispatch; 0 if it was not sent
  u64 choices;  // i32[tokens][K]
  u64 slots;    // i32[tokens][K]: in this rank's lane at the expert's rank
  u64 ranks;    // i32[tokens][K]: among this rank's rows for the expert
  u64 rows;     // i32[tokens][K]: among all rows for the expert; known if the dispatch was direct
  u64 counts;   // i32[R][E/R]: rows from each source
  u64 direct;   // u64: 1 if rows went straight to where they are packed
  u64 topk;
};

// What every low-latency kernel begins with.
struct LlCall {
  Geometry geometry;
  LlGeometry ll;
  Reporting reporting;
  LlTerms terms;
  LlHandle handle;
  u64 call_epoch;  // u64: the epoch of this call, from its send half to its receive half
  u64 area;        // of the result
  u64 waits;       // i64[R] for how long each rank was waited for, zeroed before; or 0
  u64 num_tokens;
  u64 topk_idx;
  u64 topk_idx_pitch;
  u64 index_bytes;
  u64 topk;
  u64 num_local;          // experts of a rank
  u64 topk_inverse;       // for ll_divide
  u64 num_local_inverse;  // for ll_divide
  u64 own_stay;           // 1: rows for this rank itself are summed where they lie, in the area
};

// What a dispatch sends. A row travels in pieces of some channels, a whole number of scales.
struct LlRows {
  u64 x;
  u64 x_pitch;
  u64 piece_channels;
  u64 num_pieces;  // of a row
  u64 num_stages;  // pieces that a block casts at a time
  u64 fetched;     // where the stages of pieces that are yet to be cast begin, in shared memory; 0 for none
};

// Where a dispatch packs what arrives.
struct LlPacked {
  u64 rows;
  u64 scales;
  u64 recv_count;
  u64 src_info;
  u64 layout_range;
  u64 recv_stats;  // i32[E/R] to be added to, or 0
};

// Where a combine leaves its sums.
struct LlSums {
  u64 weights;
  u64 weights_pitch;
  u64 combined_x;
  u64 combined_x_pitch;
};

struct LlSendArgs {
  LlCall call;
  LlRows rows;
};

struct LlPackArgs {
  LlCall call;
  LlPacked packed;
};

struct LlDispatchArgs {
  LlCall call;
  LlRows rows;
  LlPacked packed;
};

struct LlReplyArgs {
  LlCall call;
  u64 y;
};

struct LlSumArgs {
  LlCall call;
  LlSums sums;
};

struct LlCombineArgs {
  LlCall call;
  u64 y;
  LlSums sums;
};

struct LlAwaitPulledArgs {
  LlCall call;
};

struct LlCleanArgs {
  LlCall call;
};

struct LlRefuseArgs {
  LlCall call;
  char reason[kReasonBytes];
};

static_assert(sizeof(LlRefuseArgs) <= 4096, "kernel parameters must fit into 4 KiB");
static_assert(sizeof(RefuseArgs) <= 4096, "kernel parameters must fit into 4 KiB");

}  // namespace crossdock
