package io.crossdock.core.group;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import javax.crypto.Mac;

/// An authenticated connection: frames with a sequence number and a proof, so that an injected,
/// replayed or cut record is refused. Writing never blocks the caller: a thread of the channel does
/// it.
///
/// Any thread may send; one thread receives.
final class FrameChannel implements AutoCloseable {
  /// What a frame carries.
  enum Type {
    COLLECT,
    RESULT,
    FAILURE,
    ABORT,
    LEAVE
  }

  /// A received frame.
  record Frame(Type type, byte[] payload) {}

  /// Which end writes: the two directions of a connection are told apart.
  enum End {
    HOST,
    MEMBER
  }

  private static final int TAG_BYTES = 16;
  private static final long FLUSH_SECONDS = 2;

  private final Socket socket;
  private final DataInputStream in;
  private final DataOutputStream out;
  private final Mac sendMac;
  private final Mac receiveMac;
  private final End end;
  private final long maxPayloadBytes;
  private final ExecutorService writer =
      Executors.newSingleThreadExecutor(
          Thread.ofPlatform().daemon().name("crossdock-send").factory());
  private long sent;
  private long received;

  FrameChannel(Socket socket, End end, byte[] sessionKey, long maxPayloadBytes) throws IOException {
    this.socket = socket;
    this.end = end;
    this.maxPayloadBytes = maxPayloadBytes;
    this.in = new DataInputStream(new BufferedInputStream(socket.getInputStream()));
    this.out = new DataOutputStream(new BufferedOutputStream(socket.getOutputStream()));
    this.sendMac = Credentials.mac(sessionKey);
    this.receiveMac = Credentials.mac(sessionKey);
  }

  /// Queues a frame. A connection that broke is noticed by the receiver, not here.
  void send(Type type, byte[] payload) {
    try {
      writer.execute(() -> write(type, payload));
    } catch (RejectedExecutionException e) {
      closeSocket();
    }
  }

  private void write(Type type, byte[] payload) {
    try {
      long sequence = sent++;
      out.writeByte(type.ordinal());
      out.writeInt(payload.length);
      out.write(payload);
      out.write(tag(sendMac, end, type, sequence, payload));
      out.flush();
    } catch (IOException e) {
      closeSocket();
    }
  }

  /// Waits for the next frame.
  ///
  /// @throws IOException when the connection ended or a frame is not genuine
  Frame receive() throws IOException {
    int typeIndex = in.readUnsignedByte();
    int length = in.readInt();
    if (typeIndex >= Type.values().length || length < 0 || length > maxPayloadBytes) {
      throw new IOException("frame is malformed: type=" + typeIndex + ", bytes=" + length);
    }
    Type type = Type.values()[typeIndex];
    byte[] payload = in.readNBytes(length);
    byte[] tag = in.readNBytes(TAG_BYTES);
    End peer = end == End.HOST ? End.MEMBER : End.HOST;
    if (!Credentials.same(tag, tag(receiveMac, peer, type, received++, payload))) {
      throw new IOException("frame is not genuine: type=" + type + ", bytes=" + length);
    }
    return new Frame(type, payload);
  }

  private static byte[] tag(Mac mac, End from, Type type, long sequence, byte[] payload) {
    mac.update((byte) from.ordinal());
    mac.update((byte) type.ordinal());
    mac.update(ByteBuffer.allocate(Long.BYTES).putLong(sequence).array());
    return Arrays.copyOf(mac.doFinal(payload), TAG_BYTES);
  }

  /// Sends what is queued, bounded, and ends the connection. Idempotent.
  @Override
  public void close() {
    writer.shutdown();
    try {
      if (!writer.awaitTermination(FLUSH_SECONDS, TimeUnit.SECONDS)) {
        writer.shutdownNow();
      }
    } catch (InterruptedException e) {
      writer.shutdownNow();
      Thread.currentThread().interrupt();
    }
    closeSocket();
  }

  private void closeSocket() {
    try {
      socket.close();
    } catch (IOException e) {
      System.getLogger(FrameChannel.class.getName())
          .log(System.Logger.Level.DEBUG, "socket did not close: cause=" + e);
    }
  }
}
