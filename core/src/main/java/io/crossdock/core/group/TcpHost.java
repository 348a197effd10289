package io.crossdock.core.group;

import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/// Rank 0's side of a rendezvous: listens, lets in who proves the job secret, and speaks with each
/// member on a thread of its own. It listens as long as the group lives, so that a latecomer who
/// claims a rank that is taken is told so. The failure of the group is the last thing that a member
/// hears.
///
/// Safe for any thread.
final class TcpHost implements LocalHub.Listener {
  /// Most connections that have proven nothing yet. One more, and the oldest is closed: a rank is
  /// done in an instant, and tries again.
  private static final int MAX_STRANGERS = 256;

  /// Most time a connection gets to prove the secret.
  private static final Duration HANDSHAKE = Duration.ofSeconds(10);

  /// How long a port may be busy with a group that is about to end.
  private static final Duration BIND_PATIENCE = Duration.ofSeconds(1);

  /// How long a rendezvous that failed is kept to tell why to ranks that are yet to come.
  private static final Duration LINGER = Duration.ofSeconds(10);

  private static final Duration GOODBYE = Duration.ofSeconds(2);
  private static final long PAUSE_MILLIS = 20;
  private static final int BACKLOG = 1024;

  private final TcpGroupSettings settings;
  private final int version;
  private final Credentials credentials;
  private final ServerSocket listener;
  private final LocalHub hub;
  private final Map<Integer, FrameChannel> members = new ConcurrentHashMap<>();
  private final Set<Integer> came = ConcurrentHashMap.newKeySet();
  private final CountDownLatch allCame;
  private final Deadline lingerBound;
  private final Queue<Socket> strangers = new ConcurrentLinkedQueue<>();
  private final AtomicInteger numRefused = new AtomicInteger();
  private final ExecutorService threads =
      Executors.newThreadPerTaskExecutor(
          Thread.ofVirtual().name("crossdock-group-host-", 0).factory());

  /// Starts to accept.
  ///
  /// @param bound of the rendezvous
  /// @param listener belongs to the host from now on
  TcpHost(TcpGroupSettings settings, int version, Deadline bound, ServerSocket listener) {
    this.settings = settings;
    this.version = version;
    this.lingerBound = bound.verdict();
    this.allCame = new CountDownLatch(settings.size() - 1);
    this.credentials = new Credentials(settings.secret());
    this.listener = listener;
    this.hub = new LocalHub(settings.size(), this);
    threads.execute(this::accept);
  }

  /// Listens where the settings say: on that address if it is one of this machine, else on all (a
  /// name may mean something else on its own machine than elsewhere).
  static ServerSocket listen(TcpGroupSettings settings, Deadline bound)
      throws InterruptedException {
    Deadline patience = bound.earlier(Deadline.in(BIND_PATIENCE));
    while (true) {
      try {
        return new ServerSocket(settings.port(), BACKLOG, listenAddress(settings.host()));
      } catch (IOException e) {
        if (!(e instanceof BindException) || patience.expired()) {
          throw new GroupConfigException(
              "rank 0 cannot listen: at=%s, cause=%s, remedy=is there another rank 0?, rank=0"
                  .formatted(settings.name(), e.getMessage()),
              e);
        }
      }
      Thread.sleep(PAUSE_MILLIS);
    }
  }

  private static InetAddress listenAddress(String host) throws IOException {
    if (host.equalsIgnoreCase("localhost")) {
      return InetAddress.getByName(host);
    }
    try {
      InetAddress literal = InetAddress.ofLiteral(host);
      boolean local =
          literal.isLoopbackAddress() || NetworkInterface.getByInetAddress(literal) != null;
      return local ? literal : null;
    } catch (IllegalArgumentException e) {
      return null;
    }
  }

  LocalHub hub() {
    return hub;
  }

  private void accept() {
    while (!listener.isClosed()) {
      try {
        welcome(listener.accept());
      } catch (IOException e) {
        log("no connection accepted", e);
        if (!listener.isClosed()) {
          LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(PAUSE_MILLIS));
        }
      }
    }
  }

  private void welcome(Socket socket) throws IOException {
    strangers.add(socket);
    Socket oldest = strangers.size() > MAX_STRANGERS ? strangers.poll() : null;
    if (oldest != null) {
      closeQuietly(oldest);
    }
    try {
      threads.execute(() -> serve(socket));
    } catch (RejectedExecutionException e) {
      log("group is closed", e);
      socket.close();
    }
  }

  private void serve(Socket socket) {
    try (socket) {
      Deadline bound = Deadline.in(HANDSHAKE).earlier(Deadline.in(settings.timeout()));
      var session = new Handshake(socket, credentials, bound).asHost(version);
      strangers.remove(socket);
      var channel = new FrameChannel(socket, FrameChannel.End.HOST, session.key());
      GroupFailure objection = admit(session.member(), channel);
      if (objection != null) {
        refuse(session.member().rank(), channel, objection);
        return;
      }
      receive(session.member().rank(), channel);
    } catch (GroupSecretException e) {
      numRefused.incrementAndGet();
      log("stranger refused", e);
    } catch (IOException | InterruptedException e) {
      log("stranger left", e);
    } finally {
      strangers.remove(socket);
    }
  }

  private GroupFailure admit(Handshake.Claim claim, FrameChannel channel) {
    int rank = claim.rank();
    if (claim.version() != version) {
      return GroupFailure.version(rank, claim.version(), version);
    }
    if (claim.size() != settings.size() || claim.localSize() != settings.localSize()) {
      String text =
          "ranks disagree: peer=%d, peerSize=%d, peerLocalSize=%d, host=0, size=%d, localSize=%d"
              .formatted(
                  rank, claim.size(), claim.localSize(), settings.size(), settings.localSize());
      return GroupFailure.of(GroupFailure.Kind.CONFIG, rank, text);
    }
    boolean isRank = rank > 0 && rank < settings.size();
    if (!isRank || members.putIfAbsent(rank, channel) != null) {
      String text = "two processes claim one rank: peer=" + rank + ", size=" + settings.size();
      return GroupFailure.of(GroupFailure.Kind.CONFIG, rank, text);
    }
    return null;
  }

  /// A member that does not fit ends a group that is not complete yet, and hears why. A complete
  /// one goes on.
  private void refuse(int rank, FrameChannel channel, GroupFailure objection) {
    if (members.size() < settings.size() - 1) {
      hub.fail(objection);
    }
    tell(channel, objection);
    arrived(rank);
    channel.close();
  }

  /// A member hears of one failure and then nothing more, however many threads tell it.
  private static void tell(FrameChannel member, GroupFailure why) {
    member.send(FrameChannel.Type.FAILURE, why.encode());
    member.finish();
  }

  private void arrived(int rank) {
    boolean isRank = rank > 0 && rank < settings.size();
    if (isRank && came.add(rank)) {
      allCame.countDown();
    }
  }

  private void receive(int rank, FrameChannel channel) {
    GroupFailure earlier = hub.failure();
    if (earlier != null) {
      tell(channel, earlier);
    }
    arrived(rank);
    try {
      boolean stays = true;
      while (stays) {
        stays = take(rank, channel.receive());
      }
    } catch (IOException e) {
      hub.lose(rank, e.getMessage());
    } finally {
      channel.close();
    }
  }

  private boolean take(int rank, FrameChannel.Frame frame) throws IOException {
    switch (frame.type()) {
      case COLLECT -> {
        var collect = Payloads.collect(frame.payload());
        var _ = hub.deposit(rank, collect.phase(), collect.contribution(), collect.bound());
      }
      case FAILURE -> hub.fail(GroupFailure.decode(frame.payload()));
      case LEAVE -> hub.leave(rank);
      case RESULT -> throw new IOException("frame is not for the host: type=" + frame.type());
    }
    return frame.type() != FrameChannel.Type.LEAVE;
  }

  @Override
  public void onResult(byte[][] contributions) {
    List<byte[]> payloads = Payloads.results(contributions);
    for (FrameChannel member : members.values()) {
      member.send(FrameChannel.Type.RESULT, payloads);
    }
  }

  @Override
  public void onFailure(GroupFailure why) {
    for (FrameChannel member : members.values()) {
      tell(member, why);
    }
  }

  @Override
  public String facts() {
    int count = numRefused.get();
    return count == 0 ? "" : "peersWithWrongSecret=" + count + ", ";
  }

  /// Ends the group for all members, sends what is queued and ends all threads, in bounded time.
  void close() {
    hub.lose(settings.rank(), "left the group");
    try {
      linger();
      closeQuietly(listener);
      threads.shutdown();
      strangers.forEach(TcpHost::closeQuietly);
      threads.awaitTermination(GOODBYE.toNanos(), TimeUnit.NANOSECONDS);
      cut();
      threads.awaitTermination(GOODBYE.toNanos(), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      cut();
      Thread.currentThread().interrupt();
    }
  }

  /// Ranks that start later than one that spoilt the rendezvous are to hear of that one, not to
  /// look for a host that is gone. Ranks that did not come in time are not waited for again.
  private void linger() throws InterruptedException {
    if (hub.failure().kind() != GroupFailure.Kind.MISSING) {
      long nanos = lingerBound.earlier(Deadline.in(LINGER)).remainingNanos();
      boolean _ = allCame.await(nanos, TimeUnit.NANOSECONDS);
    }
  }

  private void cut() {
    closeQuietly(listener);
    strangers.forEach(TcpHost::closeQuietly);
    members.values().forEach(FrameChannel::cut);
    threads.shutdownNow();
  }

  static void closeQuietly(AutoCloseable closeable) {
    try {
      closeable.close();
    } catch (Exception e) {
      log("socket did not close", e);
    }
  }

  private static void log(String what, Exception cause) {
    System.getLogger(TcpHost.class.getName())
        .log(System.Logger.Level.DEBUG, what + ": cause=" + cause);
  }
}
