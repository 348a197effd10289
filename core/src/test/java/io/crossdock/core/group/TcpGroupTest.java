package io.crossdock.core.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.crossdock.core.group.FrameChannel.End;
import io.crossdock.core.group.Ranks.Running;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// How ranks of a group over TCP find each other, and what happens when they do not.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class TcpGroupTest {
  /// More than ranks need to meet, though what is missing is told after three quarters of it.
  private static final Duration SHORT = Duration.ofSeconds(4);

  /// More than a rank needs to find the host and prove the secret to it.
  private static final Duration BRIEF = Duration.ofSeconds(2);

  /// More than a rank needs to meet the host while strangers keep that one busy. A stranger that
  /// says nothing is sent away after as long.
  private static final Duration CROWDED = Duration.ofSeconds(10);

  private static final byte[] NOTHING = {};

  private final List<Running<ProcessGroup>> joining = new ArrayList<>();
  private final List<AutoCloseable> open = new ArrayList<>();
  private int port;

  @BeforeEach
  void choosePort() throws Exception {
    port = Ranks.freePort();
  }

  @AfterEach
  void closeAll() throws Exception {
    for (AutoCloseable closeable : open) {
      closeable.close();
    }
    for (var rank : joining) {
      if (rank.future().isDone() && !rank.future().isCompletedExceptionally()) {
        rank.result().close();
      }
    }
    Ranks.assertNoThreads();
  }

  private Running<ProcessGroup> join(TcpGroupSettings settings) {
    return join(settings, Handshake.VERSION);
  }

  private Running<ProcessGroup> join(TcpGroupSettings settings, int version) {
    var rank = Ranks.<ProcessGroup>start(() -> TcpGroup.join(settings, version));
    joining.add(rank);
    return rank;
  }

  private Running<ProcessGroup> join(int rank, int size) {
    return join(rank, size, Ranks.AMPLE);
  }

  private Running<ProcessGroup> join(int rank, int size, Duration timeout) {
    return join(Ranks.settings(rank, size, port, timeout));
  }

  private TcpGroupSettings at(String host, int rank, int size) {
    return new TcpGroupSettings(rank, size, size, host, port, Ranks.SECRET, Ranks.AMPLE);
  }

  /// A connection with the rendezvous, as soon as there is one.
  private Socket stranger() throws Exception {
    return stranger(port);
  }

  private Socket stranger(int at) throws Exception {
    Deadline bound = Deadline.in(Ranks.AMPLE);
    while (true) {
      try {
        var socket = new Socket(InetAddress.getLoopbackAddress(), at);
        open.add(socket);
        return socket;
      } catch (IOException e) {
        assertThat(bound.expired()).isFalse();
      }
    }
  }

  /// A member that does what the test wants.
  private FrameChannel rawMember(int rank, int size) throws InterruptedException {
    var settings = Ranks.settings(rank, size, port, Ranks.AMPLE);
    var member = new TcpMember(settings, Handshake.VERSION, Deadline.in(Ranks.AMPLE)).connect();
    open.add(member::cut);
    return member;
  }

  private static void send(FrameChannel member, GroupPhase phase) {
    var collect = new Payloads.Collect(phase, Deadline.in(Ranks.AMPLE), NOTHING);
    member.send(FrameChannel.Type.COLLECT, Payloads.collect(collect));
  }

  private void assertWorks(List<Running<ProcessGroup>> ranks) throws Exception {
    var barriers = new ArrayList<Running<Void>>();
    for (var rank : ranks) {
      barriers.add(Ranks.barrier(rank.result()));
    }
    for (var barrier : barriers) {
      barrier.result();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"127.0.0.1", "localhost", "::1", "[::1]"})
  void ranksMeetAtNamesAndAddresses(String host) throws Exception {
    assumeTrue(!host.contains(":") || hasIpv6(), "this machine has no IPv6");
    assertWorks(List.of(join(at(host, 1, 2)), join(at(host, 0, 2))));
    String shown = host.equals("::1") ? "[::1]" : host;
    assertThat(joining.getFirst().result().name()).isEqualTo("tcp " + shown + ":" + port);
  }

  private static boolean hasIpv6() {
    try (var socket = new ServerSocket()) {
      socket.bind(new InetSocketAddress(InetAddress.ofLiteral("::1"), 0));
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  @Test
  void nodesAreThoseOfTheSettings() throws Exception {
    for (int rank = 0; rank < 4; rank++) {
      join(new TcpGroupSettings(rank, 4, 2, "127.0.0.1", port, Ranks.SECRET, Ranks.AMPLE));
    }
    for (int rank = 0; rank < 4; rank++) {
      assertThat(joining.get(rank).result().localRank()).isEqualTo(rank % 2);
      assertThat(joining.get(rank).result().localSize()).isEqualTo(2);
      assertThat(joining.get(rank).result().isOnOneMachine()).isTrue();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "127.0.0.1, true",
    "::1, true",
    "[::1], true",
    "LocalHost, true",
    "10.0.0.7, false",
    "0.0.0.0, false",
    "node0, false"
  })
  void onlyLoopbackIsKnownToBeOneMachine(String host, boolean known) {
    TcpGroupSettings settings =
        new TcpGroupSettings(0, 2, 1, host, 29_500, Ranks.SECRET, Ranks.AMPLE);
    assertThat(settings.meetsOnLoopback()).isEqualTo(known);
  }

  @Test
  void manyRanksMeet() throws Exception {
    int size = 24;
    for (int rank = 0; rank < size; rank++) {
      join(rank, size);
    }
    assertWorks(joining);
  }

  @Test
  void hostMayComeLate() throws Exception {
    var early = List.of(join(1, 3), join(2, 3));
    for (var rank : early) {
      rank.awaitWaiting();
    }
    join(0, 3);
    assertWorks(joining);
  }

  @Test
  void missingRanksAreNamedByAllThatCame() throws Exception {
    for (int rank : new int[] {0, 1, 3}) {
      join(rank, 5, rank == 3 ? SHORT : Ranks.AMPLE);
    }
    Deadline bound = Deadline.in(SHORT.plusSeconds(8));
    for (var rank : joining) {
      var failure = rank.failure(PeerMissingException.class);
      assertThat(failure.missingRanks()).containsExactly(2, 4);
      assertThat(failure)
          .hasMessageContainingAll("missing=[2,4]", "size=5", "phase=RENDEZVOUS", "waitedMs=");
    }
    assertThat(bound.expired()).as("the shortest timeout decides").isFalse();
  }

  @Test
  void missingHostIsNamed() throws Exception {
    assertThat(join(1, 2, BRIEF).failure(PeerMissingException.class))
        .hasMessageContainingAll("missing=[0]", "at=tcp 127.0.0.1:" + port, "refused", "rank=1");
  }

  @Test
  void listenerThatIsNoHostIsAMissingHost() throws Exception {
    try (var silent = new ServerSocket(port, 5, InetAddress.getLoopbackAddress())) {
      var failure = join(1, 2, BRIEF).failure(PeerMissingException.class);
      assertThat(failure.missingRanks()).containsExactly(0);
      assertThat(failure).hasMessageContaining("does not finish the handshake");
      assertThat(silent.isClosed()).isFalse();
    }
  }

  @Test
  void strangersDisturbNobody() throws Exception {
    var host = join(0, 2, CROWDED);
    Socket silent = stranger();
    Socket garbage = stranger();
    garbage
        .getOutputStream()
        .write("GET / HTTP/1.1\r\n\r\n".repeat(20).getBytes(StandardCharsets.US_ASCII));
    Socket half = stranger();
    half.getOutputStream().write(half.getInputStream().readNBytes(44));
    stranger().close();
    assertThat(garbage.getInputStream().readNBytes(44)).hasSize(44);
    assertEnded(garbage);

    assertWorks(List.of(host, join(1, 2)));
    assertEnded(silent);
    assertEnded(half);
    assertWorks(joining);
  }

  /// The host ends the connection without a further word.
  private static void assertEnded(Socket socket) throws IOException {
    socket.setSoTimeout((int) Ranks.AMPLE.toMillis());
    try {
      assertThat(socket.getInputStream().readAllBytes().length).isLessThanOrEqualTo(44);
    } catch (SocketException e) {
      assertThat(e).hasMessageContaining("reset");
    }
  }

  @Test
  void crowdOfStrangersKeepsNobodyOut() throws Exception {
    join(0, 2, CROWDED);
    for (int i = 0; i < 300; i++) {
      stranger();
    }
    join(1, 2);
    assertWorks(joining);
  }

  @Test
  void wrongSecretIsToldAndItsRankNamedAsMissing() throws Exception {
    var good = List.of(join(0, 3, SHORT), join(1, 3));
    byte[] wrong = Ranks.SECRET.clone();
    wrong[3]++;
    var bad = join(new TcpGroupSettings(2, 3, 3, "127.0.0.1", port, wrong, Ranks.AMPLE));
    assertThat(bad.failure(GroupSecretException.class)).hasMessageContaining("rank=2");
    for (var rank : good) {
      var failure = rank.failure(PeerMissingException.class);
      assertThat(failure.missingRanks()).containsExactly(2);
      assertThat(failure).hasMessageContaining("peersWithWrongSecret=1");
    }
  }

  @Test
  void wrongSecretDisturbsNobody() throws Exception {
    var host = join(0, 2);
    var bad = join(new TcpGroupSettings(1, 2, 2, "127.0.0.1", port, new byte[32], Ranks.AMPLE));
    bad.failure(GroupSecretException.class);
    assertWorks(List.of(host, join(1, 2)));
  }

  @Test
  void twoProcessesWithOneRankAreAnErrorForAll() throws Exception {
    for (int rank : new int[] {0, 1, 1, 2}) {
      join(rank, 4, SHORT);
    }
    for (var rank : joining) {
      assertThat(rank.failure(GroupConfigException.class))
          .hasMessageContaining("two processes claim one rank: peer=1");
    }
  }

  @Test
  void latecomerWithATakenRankDisturbsNobody() throws Exception {
    var ranks = List.of(join(0, 2), join(1, 2));
    assertWorks(ranks);
    assertThat(join(1, 2).failure(GroupConfigException.class))
        .hasMessageContaining("two processes claim one rank: peer=1");
    assertThat(join(Ranks.settings(1, 3, port, Ranks.AMPLE)).failure(GroupConfigException.class))
        .hasMessageContaining("ranks disagree");
    assertWorks(ranks);
  }

  @Test
  void secondHostIsToldThatThePortIsTaken() throws Exception {
    var ranks = List.of(join(0, 2), join(1, 2));
    assertWorks(ranks);
    assertThat(join(0, 2).failure(GroupConfigException.class))
        .hasMessageContainingAll("rank 0 cannot listen", "at=tcp 127.0.0.1:" + port);
    assertWorks(ranks);
  }

  @Test
  void hostWaitsForThePortOfAGroupThatIsAboutToEnd() throws Exception {
    var blocker = new ServerSocket(port, 5, InetAddress.getLoopbackAddress());
    var host = join(0, 2);
    host.awaitWaiting();
    blocker.close();
    assertWorks(List.of(host, join(1, 2)));
  }

  @Test
  void otherVersionIsNamedByAll() throws Exception {
    join(0, 3);
    join(1, 3);
    join(Ranks.settings(2, 3, port, Ranks.AMPLE), Handshake.VERSION + 1);
    for (var rank : joining) {
      assertThat(rank.failure(GroupVersionException.class))
          .hasMessageContainingAll("peer=2, peerVersion=2", "host=0, hostVersion=1");
    }
  }

  @Test
  void whoComesAfterTheFailureHearsOfIt() throws Exception {
    var host = join(0, 3);
    join(Ranks.settings(1, 3, port, Ranks.AMPLE), Handshake.VERSION + 1)
        .failure(GroupVersionException.class);
    assertThat(host.future()).isNotDone();
    assertThat(join(2, 3).failure(GroupVersionException.class)).hasMessageContaining("peer=1");
    host.failure(GroupVersionException.class);
  }

  @Test
  void ranksThatDisagreeOnTheJobAreNamedByAll() throws Exception {
    join(0, 3);
    join(1, 3);
    join(new TcpGroupSettings(2, 3, 1, "127.0.0.1", port, Ranks.SECRET, Ranks.AMPLE));
    for (var rank : joining) {
      assertThat(rank.failure(GroupConfigException.class))
          .hasMessageContainingAll("peer=2, peerSize=3, peerLocalSize=1", "size=3, localSize=3");
    }
  }

  @Test
  void rankThatDiesIsNamedByAllAtOnce() throws Exception {
    var ranks = List.of(join(0, 3), join(1, 3));
    FrameChannel dying = rawMember(2, 3);
    send(dying, GroupPhase.RENDEZVOUS);
    dying.receive();
    var waiting =
        List.of(Ranks.barrier(ranks.get(0).result()), Ranks.barrier(ranks.get(1).result()));
    for (var rank : waiting) {
      rank.awaitWaiting();
    }
    dying.cut();
    for (var rank : waiting) {
      var failure = rank.failure(PeerLostException.class);
      assertThat(failure.peer()).isEqualTo(2);
      assertThat(failure).hasMessageContainingAll("peer=2", "phase=BARRIER", "cause=");
    }
  }

  @Test
  void rankThatDiesAtTheRendezvousIsNamedByAllAtOnce() throws Exception {
    var ranks = List.of(join(0, 4, SHORT), join(1, 4));
    FrameChannel dying = rawMember(2, 4);
    dying.finish();
    for (var rank : ranks) {
      assertThat(rank.failure(PeerLostException.class).peer()).isEqualTo(2);
    }
  }

  @Test
  void framesThatAreNotGenuineEndTheGroupWithTheirRank() throws Exception {
    var ranks = List.of(join(0, 3), join(1, 3));
    Socket socket = stranger();
    var claim = new Handshake.Claim(Handshake.VERSION, 2, 3, 3);
    var session =
        new Handshake(socket, new Credentials(Ranks.SECRET), Deadline.in(Ranks.AMPLE))
            .asMember(claim);
    var member = new FrameChannel(socket, End.MEMBER, session.key());
    send(member, GroupPhase.RENDEZVOUS);
    member.receive();
    socket.getOutputStream().write(new byte[40]);
    for (var rank : ranks) {
      var failure = Ranks.barrier(rank.result()).failure(PeerLostException.class);
      assertThat(failure.peer()).isEqualTo(2);
      assertThat(failure).hasMessageContaining("not genuine");
    }
    member.cut();
  }

  @ParameterizedTest
  @ValueSource(strings = {"RESULT", "COLLECT", "FAILURE"})
  void senselessFramesEndTheGroupWithTheirRank(String type) throws Exception {
    var host = join(0, 2);
    FrameChannel member = rawMember(1, 2);
    send(member, GroupPhase.RENDEZVOUS);
    member.receive();
    member.send(FrameChannel.Type.valueOf(type), NOTHING);
    var failure = Ranks.barrier(host.result()).failure(PeerLostException.class);
    assertThat(failure.peer()).isEqualTo(1);
  }

  /// A host that does what the test wants.
  private FrameChannel rawHost(ServerSocket listener) throws Exception {
    Socket socket = listener.accept();
    var handshake = new Handshake(socket, new Credentials(Ranks.SECRET), Deadline.in(Ranks.AMPLE));
    var host = new FrameChannel(socket, End.HOST, handshake.asHost(Handshake.VERSION).key());
    open.add(host::cut);
    return host;
  }

  @Test
  void hostThatStallsIsNamedWhenTheTimeoutExpires() throws Exception {
    try (var listener = new ServerSocket(port, 5, InetAddress.getLoopbackAddress())) {
      var member = join(1, 2, BRIEF);
      FrameChannel host = rawHost(listener);
      var failure = member.failure(PeerMissingException.class);
      assertThat(failure.missingRanks()).containsExactly(0);
      assertThat(failure).hasMessageContainingAll("missing=[0]", "phase=RENDEZVOUS", "waitedMs=");
      assertThat(host.receive().type()).isEqualTo(FrameChannel.Type.COLLECT);
      assertThat(host.receive().type()).isEqualTo(FrameChannel.Type.FAILURE);
    }
  }

  @Test
  void hostThatDiesIsNamedAtOnce() throws Exception {
    try (var listener = new ServerSocket(port, 5, InetAddress.getLoopbackAddress())) {
      var member = join(1, 2);
      FrameChannel host = rawHost(listener);
      host.receive();
      host.send(FrameChannel.Type.RESULT, Payloads.results(new byte[][] {{}, {}}));
      var waiting = Ranks.barrier(member.result());
      waiting.awaitWaiting();
      host.cut();
      assertThat(waiting.failure(PeerLostException.class).peer()).isZero();
    }
  }

  @Test
  void resultsNobodyAskedForEndTheGroup() throws Exception {
    try (var listener = new ServerSocket(port, 5, InetAddress.getLoopbackAddress())) {
      var member = join(1, 2);
      FrameChannel host = rawHost(listener);
      host.receive();
      host.send(FrameChannel.Type.RESULT, Payloads.results(new byte[][] {{}, {}}));
      ProcessGroup group = member.result();
      host.send(FrameChannel.Type.RESULT, Payloads.results(new byte[][] {{}, {}, {}}));
      assertThat(Ranks.barrier(group).failure(PeerLostException.class))
          .hasMessageContaining("belongs to no collective");
    }
  }

  @Test
  void interruptEndsTheSearchForTheHost() throws Exception {
    var member = join(1, 2);
    member.awaitWaiting();
    member.thread().interrupt();
    assertThat(member.failure(GroupInterruptedException.class))
        .hasMessageContainingAll("phase=RENDEZVOUS", "rank=1");
  }

  @Test
  void closeIsBoundedThoughAPeerReadsNothing() throws Exception {
    var host = join(0, 2);
    FrameChannel stuck = rawMember(1, 2);
    send(stuck, GroupPhase.RENDEZVOUS);
    stuck.receive();
    byte[] large = new byte[ProcessGroup.MAX_CONTRIBUTION_BYTES / 2];
    var gathering = Ranks.start(() -> host.result().allGather(large));
    send(stuck, GroupPhase.ALL_GATHER);
    gathering.result();
    Deadline bound = Deadline.in(Ranks.AMPLE);
    host.result().close();
    assertThat(bound.expired()).isFalse();
  }

  @Test
  void groupOfOneOpensNoSocket() throws Exception {
    try (var taken = new ServerSocket(port, 5, InetAddress.getLoopbackAddress());
        ProcessGroup alone = TcpGroup.join(Ranks.settings(0, 1, port, SHORT))) {
      alone.barrier();
      assertThat(alone.timeout()).isEqualTo(SHORT);
      assertThat(taken.isClosed()).isFalse();
    }
  }

  @Test
  void settingsAreChecked() {
    assertThatThrownBy(() -> new TcpGroupSettings(0, 2, 2, " ", 1, Ranks.SECRET, Ranks.AMPLE))
        .isInstanceOf(GroupConfigException.class)
        .hasMessageContaining("host= ");
    assertThatThrownBy(
            () -> new TcpGroupSettings(0, 2, 2, "localhost", 1, new byte[15], Ranks.AMPLE))
        .isInstanceOf(GroupSecretException.class)
        .hasMessageContaining("bytes=15");
    byte[] secret = Ranks.SECRET.clone();
    var settings = new TcpGroupSettings(0, 2, 2, "localhost", 1, secret, Ranks.AMPLE);
    secret[0]++;
    settings.secret()[1]++;
    assertThat(settings.secret()).isEqualTo(Ranks.SECRET);
  }
}
