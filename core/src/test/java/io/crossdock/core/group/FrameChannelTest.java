package io.crossdock.core.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.group.FrameChannel.End;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Frames between a member and a host; an attacker sits between them and passes on what it likes.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class FrameChannelTest {
  private static final byte[] KEY = "key of this session".getBytes(StandardCharsets.UTF_8);
  private static final byte[] PAYLOAD = {1, 2, 3, 4, 5};
  private static final int FRAME_BYTES = 5 + 5 + 16;

  private Socket fromMember;
  private Socket toHost;
  private FrameChannel member;
  private FrameChannel host;

  @BeforeEach
  void connect() throws Exception {
    Socket[] left = pair();
    Socket[] right = pair();
    member = new FrameChannel(left[0], End.MEMBER, KEY);
    fromMember = left[1];
    toHost = right[0];
    host = new FrameChannel(right[1], End.HOST, KEY);
  }

  private static Socket[] pair() throws IOException {
    try (var listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      var one = new Socket(listener.getInetAddress(), listener.getLocalPort());
      return new Socket[] {one, listener.accept()};
    }
  }

  @AfterEach
  void disconnect() throws Exception {
    member.cut();
    host.cut();
    fromMember.close();
    toHost.close();
    Ranks.assertNoThreads();
  }

  private byte[] recordFrame() throws IOException {
    member.send(FrameChannel.Type.COLLECT, PAYLOAD);
    return fromMember.getInputStream().readNBytes(FRAME_BYTES);
  }

  private void inject(byte[] bytes) throws IOException {
    toHost.getOutputStream().write(bytes);
  }

  @Test
  void genuineFramesArriveInOrder() throws Exception {
    inject(recordFrame());
    inject(recordFrame());
    for (int i = 0; i < 2; i++) {
      FrameChannel.Frame frame = host.receive();
      assertThat(frame.type()).isEqualTo(FrameChannel.Type.COLLECT);
      assertThat(frame.payload()).isEqualTo(PAYLOAD);
    }
  }

  @Test
  void replayedFrameIsRefused() throws Exception {
    byte[] frame = recordFrame();
    inject(frame);
    host.receive();
    inject(frame);
    assertThatThrownBy(host::receive)
        .isInstanceOf(IOException.class)
        .hasMessageContaining("not genuine");
  }

  @Test
  void droppedFrameIsNoticed() throws Exception {
    recordFrame();
    inject(recordFrame());
    assertThatThrownBy(host::receive).hasMessageContaining("not genuine");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 5, 9, 10, FRAME_BYTES - 1})
  void changedFrameIsRefused(int position) throws Exception {
    byte[] frame = recordFrame();
    frame[position] ^= 1;
    inject(frame);
    assertThatThrownBy(host::receive).hasMessageContaining("not genuine");
  }

  @Test
  void frameSentBackToItsSenderIsRefused() throws Exception {
    fromMember.getOutputStream().write(recordFrame());
    assertThatThrownBy(member::receive).hasMessageContaining("not genuine");
  }

  @Test
  void frameOfAnotherSessionIsRefused() throws Exception {
    byte[] otherKey = KEY.clone();
    otherKey[0] ^= 1;
    var stranger = new FrameChannel(toHost, End.MEMBER, otherKey);
    stranger.send(FrameChannel.Type.COLLECT, PAYLOAD);
    assertThatThrownBy(host::receive).hasMessageContaining("not genuine");
    stranger.cut();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 3, 5, 7, FRAME_BYTES - 1})
  void cutFrameIsAnEndOfTheConnection(int length) throws Exception {
    inject(Arrays.copyOf(recordFrame(), length));
    toHost.close();
    assertThatThrownBy(host::receive)
        .isInstanceOf(EOFException.class)
        .hasMessageContaining("connection closed");
  }

  @Test
  void impossibleLengthsAndTypesAreRefusedUnread() throws Exception {
    for (byte[] header :
        List.of(
            new byte[] {0, -1, -1, -1, -1},
            new byte[] {0, 127, 0, 0, 0},
            new byte[] {99, 0, 0, 0, 0},
            new byte[] {-1, 0, 0, 0, 0})) {
      inject(header);
      assertThatThrownBy(host::receive).hasMessageContaining("malformed");
    }
  }

  @Test
  void closeDeliversWhatIsQueuedThoughThePeerStillSends() throws Exception {
    Socket[] sockets = pair();
    var sender = new FrameChannel(sockets[0], End.HOST, KEY);
    var receiver = new FrameChannel(sockets[1], End.MEMBER, KEY);
    receiver.send(FrameChannel.Type.COLLECT, new byte[1 << 20]);
    sender.send(FrameChannel.Type.RESULT, List.of(new byte[1 << 20], PAYLOAD));
    var closing =
        Ranks.start(() -> {
          sender.close();
          return null;
        });
    assertThat(receiver.receive().payload()).hasSize(1 << 20);
    assertThat(receiver.receive().payload()).isEqualTo(PAYLOAD);
    assertThatThrownBy(receiver::receive).hasMessageContaining("connection closed");
    receiver.close();
    closing.result();
  }

  @Test
  void closeEndsThoughThePeerReadsNothing() throws Exception {
    for (int i = 0; i < 8; i++) {
      member.send(FrameChannel.Type.COLLECT, new byte[8 << 20]);
    }
    Deadline bound = Deadline.in(Ranks.AMPLE);
    member.close();
    member.close();
    assertThat(bound.expired()).isFalse();
    member.send(FrameChannel.Type.LEAVE, PAYLOAD);
  }
}
