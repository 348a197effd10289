package io.crossdock.core.group;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.List;

/// The side of a rendezvous that is not rank 0: looks for the host until the deadline and proves
/// the job secret to it.
///
/// Confined to one thread.
final class TcpMember {
  private static final int CONNECT_MILLIS = 2000;
  private static final int FIRST_PAUSE_MILLIS = 10;
  private static final int MAX_PAUSE_MILLIS = 200;
  private static final int HOST = 0;

  private final TcpGroupSettings settings;
  private final Handshake.Claim claim;
  private final Credentials credentials;
  private final Deadline bound;

  TcpMember(TcpGroupSettings settings, int version, Deadline bound) {
    this.settings = settings;
    this.claim =
        new Handshake.Claim(version, settings.rank(), settings.size(), settings.localSize());
    this.credentials = new Credentials(settings.secret());
    this.bound = bound;
  }

  /// Connects with the host.
  ///
  /// @throws GroupSecretException when the two do not share the secret
  /// @throws GroupVersionException when the host has another version
  /// @throws PeerMissingException when there is no host before the deadline
  FrameChannel connect() throws InterruptedException {
    String cause = "none";
    int pauseMillis = FIRST_PAUSE_MILLIS;
    for (int attempt = 0; !bound.expired(); attempt++) {
      try {
        InetAddress[] addresses = InetAddress.getAllByName(settings.host());
        return connect(addresses[attempt % addresses.length]);
      } catch (IOException e) {
        cause = bound.expired() && attempt > 0 ? cause : e.toString();
      }
      Thread.sleep(Math.min(pauseMillis, bound.remainingMillis()));
      pauseMillis = Math.min(2 * pauseMillis, MAX_PAUSE_MILLIS);
    }
    String facts =
        "size=%d, phase=%s, at=%s, timeoutMs=%d, cause=%s"
            .formatted(
                settings.size(),
                GroupPhase.RENDEZVOUS,
                settings.name(),
                settings.timeout().toMillis(),
                cause);
    throw GroupFailure.missing(List.of(HOST), facts).toException(settings.rank());
  }

  private FrameChannel connect(InetAddress address) throws IOException, InterruptedException {
    Socket socket = new Socket();
    boolean connected = false;
    try {
      var host = new InetSocketAddress(address, settings.port());
      socket.connect(host, Math.min(bound.remainingMillis(), CONNECT_MILLIS));
      FrameChannel channel = shakeHands(socket);
      connected = true;
      return channel;
    } finally {
      if (!connected) {
        TcpHost.closeQuietly(socket);
      }
    }
  }

  private FrameChannel shakeHands(Socket socket) throws IOException, InterruptedException {
    if (socket.getLocalSocketAddress().equals(socket.getRemoteSocketAddress())) {
      socket.setSoLinger(true, 0);
      throw new IOException("nobody listens: the connection met itself");
    }
    var session = new Handshake(socket, credentials, bound).asMember(claim);
    if (session.hostVersion() != claim.version()) {
      throw GroupFailure.version(claim.rank(), claim.version(), session.hostVersion())
          .toException(claim.rank());
    }
    return new FrameChannel(socket, FrameChannel.End.MEMBER, session.key());
  }
}
