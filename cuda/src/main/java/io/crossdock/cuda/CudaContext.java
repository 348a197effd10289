package io.crossdock.cuda;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.protocol.CallKind;
import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.protocol.ProtocolState;
import io.crossdock.core.protocol.WindowSet;
import io.crossdock.cuda.driver.Stream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumMap;
import java.util.Map;

/// What the runners of one session share, and the steps they have in common.
///
/// Confined to the thread that runs the call.
final class CudaContext {
  final BufferSpec spec;
  final int rank;
  final int numRanks;
  final CudaGpu gpu;
  final CudaGeometry geometry;
  final PeerLinks links;
  final LocalMemory local;
  final Control control;
  final Health health;
  final CallLog log;
  final CallWait wait;
  final CommStream comm;
  final HandleBlocks blocks;
  final Counts counts;
  final CudaStats stats = new CudaStats();
  final WindowSet receive;
  final WindowSet output;

  /// Filled anew for each call.
  final Entry entry;

  private static final long REFUSE_KIND =
      Structs.REFUSE.offset("entry") + Structs.ENTRY.offset("kind");

  private final Map<Kernel, Launcher> launchers = new EnumMap<>(Kernel.class);
  private final Ticket ticket = new Ticket();
  private final int share;
  private final int autoSms;

  /// What a session is made of.
  ///
  /// Safe for any thread, except the resources.
  ///
  /// @param spec of the buffer
  /// @param gpu of this rank
  /// @param links to the memory of all ranks
  /// @param resources owns everything that is made
  record Parts(BufferSpec spec, CudaGpu gpu, PeerLinks links, Resources resources) {}

  CudaContext(Parts parts) {
    this.spec = parts.spec;
    this.gpu = parts.gpu;
    this.links = parts.links;
    Resources resources = parts.resources;
    this.rank = links.rank();
    this.numRanks = links.numRanks();
    this.geometry = CudaGeometry.of(spec, numRanks);
    this.receive = new WindowSet(spec.numReceiveWindows());
    this.output = new WindowSet(spec.numOutputWindows());
    this.entry = new Entry(0, 0);
    control = resources.add(new Control(gpu, geometry, links));
    health = new Health(control, rank);
    log = resources.add(new CallLog(gpu, health, control, links));
    comm = new CommStream(gpu.stream(Stream.Use.COMMUNICATION), log);
    resources.add(comm::destroy);
    gpu.memory().watch(comm);
    resources.add(() -> gpu.memory().forget(comm));
    wait = new CallWait(control, links, log, comm, spec);
    comm.connect(wait);
    int localExperts = spec.numExperts() / numRanks;
    counts = resources.add(new Counts(gpu.context(), numRanks, localExperts));
    local = resources.add(new LocalMemory(gpu, numRanks, spec.numExperts()));
    blocks = resources.add(new HandleBlocks(gpu.memory(), numRanks, spec.numMaxTokensPerRank()));
    local.fill(control, links);
    makeLaunchers(resources);
    int ranks = links.ranksOnGpu();
    share = gpu.numSms() / ranks;
    double link = LinkRates.measure(gpu, links, geometry.byteSize);
    autoSms = gpu.rates().choose(gpu.numSms(), ranks, link);
  }

  private void makeLaunchers(Resources resources) {
    Arena arena = Arena.ofShared();
    resources.add(arena);
    for (Kernel kernel :
        new Kernel[] {
          Kernel.COUNT_LAYOUT,
          Kernel.ENTER_DISPATCH,
          Kernel.PLACE_ROWS,
          Kernel.COMBINE_ROWS,
          Kernel.REFUSE_CALL,
          Kernel.AWAIT_PULLED,
          Kernel.SYNC_RANKS
        }) {
      Launcher launcher = new Launcher(arena, gpu, kernel);
      if (kernel != Kernel.COUNT_LAYOUT) {
        writeGeometry(launcher, local.state);
      }
      launchers.put(kernel, launcher);
    }
  }

  /// @param state device address of a LocalState
  void writeGeometry(Launcher launcher, long state) {
    long own = links.address(rank);
    CudaGeometry.Place place = new CudaGeometry.Place(rank, local.peers, own, links.areOnOneGpu());
    geometry.write(launcher.args(), place, state);
  }

  /// Makes the launcher of a kernel that not every buffer needs.
  Launcher addLauncher(Kernel kernel, Arena arena) {
    Launcher launcher = new Launcher(arena, gpu, kernel);
    launchers.put(kernel, launcher);
    return launcher;
  }

  /// Multiprocessors of the GPU for each rank that uses it.
  int share() {
    return share;
  }

  Launcher launcher(Kernel kernel) {
    return launchers.get(kernel);
  }

  /// Enqueues a kernel of the call that was begun last on the communication stream.
  void run(Kernel kernel, int numBlocks, int sharedBytes) {
    Launcher launcher = launchers.get(kernel);
    if (kernel.isLowLatency()) {
      stats.lowLatency(numBlocks);
    }
    if (kernel.isLowLatency() && ticket.isSticky()) {
      launcher.runEarly(comm.driver(), numBlocks, sharedBytes);
    } else {
      launcher.run(comm.driver(), numBlocks, sharedBytes);
    }
  }

  /// What must hold before a call is reserved: the buffer is usable, and the blocks that the call
  /// asks for can all run at once with those of the other ranks.
  void checkReady(int numSms) {
    health.checkUsable();
    if (numSms > share) {
      throw new InvalidInputException(
          "ranks that share a GPU ask for more multiprocessors than it has: numSms="
              + numSms
              + ", ranksOnGpu="
              + links.ranksOnGpu()
              + ", multiprocessors="
              + gpu.numSms());
    }
  }

  int sms(int numSms) {
    return numSms > 0 ? numSms : autoSms;
  }

  /// Begins a call whose kernels report.
  ///
  /// @return names the report until the next call begins
  Ticket begin() {
    if (comm.isRecording()) {
      long number = log.beginSticky();
      ticket.set(log.stickyAddress(number), number, true);
      return ticket;
    }
    long number = log.begin(comm.isDeferred());
    while (number == 0) {
      wait.await(log.oldest());
      number = log.begin(comm.isDeferred());
    }
    ticket.set(log.reportAddress(number), number, false);
    return ticket;
  }

  /// Names the report of the call that was begun last.
  Ticket ticket() {
    return ticket;
  }

  /// Rounds a call along a handle takes on every rank, since all windows have the same rows.
  int rounds(HandleData handle) {
    if (!mayNeedRounds()) {
      return 1;
    }
    long rounds = 1;
    for (int peer = 0; peer < numRanks; peer++) {
      rounds = Math.max(rounds, Math.ceilDiv(handle.totalRows(peer), geometry.rows));
    }
    return Math.toIntExact(rounds);
  }

  /// True if windows are smaller than what could arrive.
  boolean mayNeedRounds() {
    return geometry.rows < (long) numRanks * spec.numMaxTokensPerRank();
  }

  /// Brings the counts to the host that tell how many rounds a call takes, unless one is enough.
  int knownRounds(CudaHandleData handle) {
    if (!mayNeedRounds()) {
      return 1;
    }
    if (!handle.areCountsKnown()) {
      if (comm.isRecording()) {
        throw notCaptured("windows may be too small and counts are not on the host");
      }
      handle.materialise();
    }
    int rounds = rounds(handle);
    if (rounds > 1 && comm.isRecording()) {
      throw notCaptured("windows are too small: rounds=" + rounds);
    }
    return rounds;
  }

  /// A call that the host must take part in.
  static InvalidInputException notCaptured(String why) {
    return new InvalidInputException(
        "call cannot be captured in a graph: reason="
            + why
            + ", remedy=numWorstTokens, a handle, or larger capacityRows");
  }

  /// Publishes that this rank's call was invalid, and waits until that is done. A graph that is
  /// captured runs nothing, so there nobody waits for the call.
  void refuse(String reason) {
    if (comm.isRecording()) {
      return;
    }
    Launcher launcher = launchers.get(Kernel.REFUSE_CALL);
    Ticket begun = begin();
    launcher.put(REFUSE_KIND, CallKind.REFUSED.ordinal());
    Verdicts.putText(
        launcher.args().asSlice(Structs.REFUSE.offset("reason"), Structs.REASON_BYTES), reason);
    launcher.putReporting(begun);
    run(Kernel.REFUSE_CALL, 1, 0);
    wait.join(begun.number() - 1, begun.number());
  }

  /// Starts the rank's memory anew at an epoch that all ranks agreed on.
  void restart(long start) {
    local.restart(control, start);
    long own = links.address(rank);
    long words = (long) numRanks * Long.BYTES;
    control.clear(own + geometry.states, words);
    control.clear(own + geometry.barriers, words);
    control.clear(own + geometry.reasons, (long) numRanks * Structs.REASON_BYTES);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment marks = arena.allocate(ValueLayout.JAVA_LONG, numRanks);
      for (int peer = 0; peer < numRanks; peer++) {
        marks.setAtIndex(ValueLayout.JAVA_LONG, peer, start);
      }
      control.upload(marks, own + geometry.finished);
      control.upload(marks, own + geometry.pulled);
      for (int slot = 0; slot < ProtocolState.ENTRY_SLOTS; slot++) {
        for (int peer = 0; peer < numRanks; peer++) {
          control.upload(marks.asSlice(0, Long.BYTES), own + geometry.entry(slot, peer));
        }
      }
    }
  }

  /// Takes a window back from a call that was not carried out. After an abort it stays with the
  /// call until reset: peers that did not hear of it yet may use it.
  void withdraw(WindowSet windows, int window) {
    if (!health.isAborted()) {
      windows.withdraw(window);
    }
  }
}
