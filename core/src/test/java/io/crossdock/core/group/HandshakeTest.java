package io.crossdock.core.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.group.Handshake.Claim;
import io.crossdock.core.group.Handshake.Session;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The first words on a connection.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HandshakeTest {
  private static final Claim CLAIM = new Claim(7, 3, 8, 4);
  private static final int GREETING_BYTES = 44;
  private static final int HELLO_BYTES = 88;

  private ServerSocket listener;
  private Socket member;
  private Socket host;

  @BeforeEach
  void connect() throws Exception {
    listener = new ServerSocket(0, 2, InetAddress.getLoopbackAddress());
    member = new Socket(listener.getInetAddress(), listener.getLocalPort());
    host = listener.accept();
  }

  @AfterEach
  void disconnect() throws Exception {
    member.close();
    host.close();
    listener.close();
  }

  private static Handshake handshake(Socket socket, byte[] secret, Duration timeout) {
    return new Handshake(socket, new Credentials(secret), Deadline.in(timeout));
  }

  private Ranks.Running<Session> startHost(byte[] secret) {
    return Ranks.start(() -> handshake(host, secret, Ranks.AMPLE).asHost(9));
  }

  private Ranks.Running<Session> startMember(byte[] secret) {
    return Ranks.start(() -> handshake(member, secret, Ranks.AMPLE).asMember(CLAIM));
  }

  private static byte[] otherSecret() {
    byte[] other = Ranks.SECRET.clone();
    other[0] ^= 1;
    return other;
  }

  @Test
  void bothKnowTheSameAfterwards() throws Exception {
    var atHost = startHost(Ranks.SECRET);
    Session session = startMember(Ranks.SECRET).result();
    assertThat(session.member()).isEqualTo(CLAIM);
    assertThat(session.hostVersion()).isEqualTo(9);
    assertThat(atHost.result().member()).isEqualTo(CLAIM);
    assertThat(atHost.result().key()).isEqualTo(session.key()).hasSize(32);
  }

  @Test
  void wrongSecretIsRefusedOnBothSides() throws Exception {
    var atHost = startHost(Ranks.SECRET);
    assertThat(startMember(otherSecret()).failure(GroupSecretException.class))
        .hasMessageContainingAll("host refuses", "rank=3", "remedy=");
    atHost.failure(GroupSecretException.class);
  }

  @Test
  void hostThatOnlyPretendsToHaveTheSecretIsRefused() throws Exception {
    var joining = startMember(Ranks.SECRET);
    host.getOutputStream().write("CROSSDCK".getBytes(StandardCharsets.US_ASCII));
    host.getOutputStream().write(new byte[36]);
    host.getInputStream().readNBytes(HELLO_BYTES);
    host.getOutputStream().write(1);
    host.getOutputStream().write(new byte[32]);
    assertThat(joining.failure(GroupSecretException.class))
        .hasMessageContaining("host does not have the job secret");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 11, 15, 19, 23, 40, 60})
  void changedHelloIsRefused(int position) throws Exception {
    var atHost = startHost(Ranks.SECRET);
    var atMember = startBehindAttacker(position);
    if (position < 8) {
      atHost.failure(IOException.class);
    } else {
      atHost.failure(GroupSecretException.class);
      atMember.failure(GroupSecretException.class);
    }
  }

  /// A member whose hello is changed on its way.
  private Ranks.Running<Session> startBehindAttacker(int position) throws Exception {
    var near = new Socket(listener.getInetAddress(), listener.getLocalPort());
    Socket far = listener.accept();
    var joining = Ranks.start(() -> handshake(near, Ranks.SECRET, Ranks.AMPLE).asMember(CLAIM));
    far.getOutputStream().write(member.getInputStream().readNBytes(GREETING_BYTES));
    byte[] hello = far.getInputStream().readNBytes(HELLO_BYTES);
    hello[position] ^= 1;
    member.getOutputStream().write(hello);
    if (position >= 8) {
      far.getOutputStream().write(member.getInputStream().read());
    }
    return joining;
  }

  @Test
  void replayedHelloIsRefused() throws Exception {
    var first = startHost(Ranks.SECRET);
    var recording = new Socket(listener.getInetAddress(), listener.getLocalPort());
    Socket far = listener.accept();
    var joining =
        Ranks.start(() -> handshake(recording, Ranks.SECRET, Ranks.AMPLE).asMember(CLAIM));
    far.getOutputStream().write(member.getInputStream().readNBytes(GREETING_BYTES));
    byte[] hello = far.getInputStream().readNBytes(HELLO_BYTES);
    member.getOutputStream().write(hello);
    first.result();
    far.close();
    joining.failure(IOException.class);

    disconnect();
    connect();
    var second = startHost(Ranks.SECRET);
    member.getInputStream().readNBytes(GREETING_BYTES);
    member.getOutputStream().write(hello);
    second.failure(GroupSecretException.class);
    host.shutdownOutput();
    assertThat(member.getInputStream().readAllBytes()).as("no proof of the host").hasSize(1);
  }

  @Test
  void strangerIsNotAnsweredBeyondTheGreeting() throws Exception {
    var atHost = startHost(Ranks.SECRET);
    member.getOutputStream().write(new byte[4096]);
    assertThat(atHost.failure(IOException.class)).hasMessageContaining("does not speak");
    host.shutdownOutput();
    assertThat(member.getInputStream().readAllBytes()).hasSize(GREETING_BYTES);
  }

  @Test
  void silentPeerIsGivenUpOnEitherSide() {
    Duration shortly = Duration.ofMillis(150);
    assertThatThrownBy(() -> handshake(host, Ranks.SECRET, shortly).asHost(1))
        .isInstanceOf(SocketTimeoutException.class)
        .hasMessageContaining("does not finish");
    Deadline bound = Deadline.in(Ranks.AMPLE);
    assertThatThrownBy(() -> handshake(member, otherSecret(), shortly).asMember(CLAIM))
        .isInstanceOf(IOException.class);
    assertThat(bound.expired()).isFalse();
  }

  @Test
  void interruptEndsTheWait() throws Exception {
    var joining = startMember(Ranks.SECRET);
    joining.thread().interrupt();
    joining.failure(InterruptedException.class);
  }

  @Test
  void purposesAndMessagesGiveDifferentProofs() {
    var credentials = new Credentials(Ranks.SECRET);
    byte[] greeting = Credentials.nonce();
    byte[] hello = Credentials.nonce();
    byte[] proof = credentials.proof(Credentials.Purpose.MEMBER, greeting, hello);
    assertThat(proof)
        .hasSize(Credentials.PROOF_BYTES)
        .isEqualTo(credentials.proof(Credentials.Purpose.MEMBER, greeting, hello))
        .isNotEqualTo(credentials.proof(Credentials.Purpose.HOST, greeting, hello))
        .isNotEqualTo(credentials.proof(Credentials.Purpose.SESSION, greeting, hello))
        .isNotEqualTo(credentials.proof(Credentials.Purpose.MEMBER, hello, greeting))
        .isNotEqualTo(
            new Credentials(otherSecret()).proof(Credentials.Purpose.MEMBER, greeting, hello));
  }
}
