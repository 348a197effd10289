package io.crossdock.verify.network;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.SplittableRandom;

/// Two programs, started as ranks: rank 0 sends back what rank 1 sends, and rank 1 compares.
public final class EchoMain {
  static final String READY = "first echo came";
  private static final int PIECE_BYTES = 1000;
  private static final int SOCKET_MILLIS = 30_000;

  private EchoMain() {}

  /// Exits with 1 if a byte is wrong or nothing comes.
  ///
  /// @param arguments how many echoes, bytes of each, least milliseconds of each
  public static void main(String... arguments) throws IOException {
    Map<String, String> variables = System.getenv();
    int port = Integer.parseInt(variables.get("MASTER_PORT"));
    InetSocketAddress address = new InetSocketAddress(variables.get("MASTER_ADDR"), port);
    if (variables.get("RANK").equals("0")) {
      answer(address);
    } else {
      int bytes = Integer.parseInt(arguments[1]);
      Duration least = Duration.ofMillis(Long.parseLong(arguments[2]));
      ask(address, Integer.parseInt(arguments[0]), bytes, least);
    }
  }

  private static void answer(InetSocketAddress address) throws IOException {
    try (ServerSocket server = new ServerSocket()) {
      server.bind(address);
      server.setSoTimeout(SOCKET_MILLIS);
      System.out.println("listens at " + address);
      try (Socket socket = server.accept()) {
        socket.setTcpNoDelay(true);
        socket.setSoTimeout(SOCKET_MILLIS);
        socket.getInputStream().transferTo(socket.getOutputStream());
      }
    }
  }

  private static void ask(InetSocketAddress address, int times, int bytes, Duration least)
      throws IOException {
    SplittableRandom random = new SplittableRandom(times);
    try (Socket socket = connect(address)) {
      DataInputStream in = new DataInputStream(socket.getInputStream());
      OutputStream out = socket.getOutputStream();
      for (int i = 0; i < times; i++) {
        byte[] sent = new byte[bytes];
        random.nextBytes(sent);
        long start = System.nanoTime();
        byte[] got = exchange(in, out, sent);
        Duration took = Duration.ofNanos(System.nanoTime() - start);
        if (!Arrays.equals(sent, got) || took.compareTo(least) < 0) {
          throw new AssertionError("bad echo: number=" + i + ", took=" + took);
        }
        if (i == 0) {
          System.out.println(READY);
        }
      }
    }
  }

  /// The server may not listen yet.
  private static Socket connect(InetSocketAddress address) throws IOException {
    long deadline = System.nanoTime() + Duration.ofMillis(SOCKET_MILLIS).toNanos();
    while (true) {
      Socket socket = new Socket();
      try {
        socket.connect(address, SOCKET_MILLIS);
        socket.setTcpNoDelay(true);
        socket.setSoTimeout(SOCKET_MILLIS);
        return socket;
      } catch (IOException e) {
        socket.close();
        if (System.nanoTime() > deadline) {
          throw e;
        }
        Thread.onSpinWait();
      }
    }
  }

  /// Reads while it writes, since sockets need not hold all of it.
  private static byte[] exchange(DataInputStream in, OutputStream out, byte[] sent)
      throws IOException {
    Thread.startVirtualThread(() -> write(out, sent));
    byte[] got = new byte[sent.length];
    in.readFully(got);
    return got;
  }

  private static void write(OutputStream out, byte[] sent) {
    try {
      for (int at = 0; at < sent.length; at += PIECE_BYTES) {
        out.write(sent, at, Math.min(PIECE_BYTES, sent.length - at));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
