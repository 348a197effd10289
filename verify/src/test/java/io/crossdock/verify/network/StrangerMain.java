package io.crossdock.verify.network;

import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/// Connects to ports of a node again and again, and sends what nobody asked for: bytes at random,
/// lines of text, huge lengths, nothing at all.
public final class StrangerMain {
  private static final int CONNECT_MILLIS = 2_000;
  private static final int MAX_BYTES = 70_000;

  private StrangerMain() {}

  /// Says how often it was let in and how much it got rid of.
  ///
  /// @param arguments address, seed, rounds, ports
  public static void main(String... arguments) {
    SplittableRandom random = new SplittableRandom(Long.parseLong(arguments[1]));
    int rounds = Integer.parseInt(arguments[2]);
    int[] ports = Arrays.stream(arguments).skip(3).mapToInt(Integer::parseInt).toArray();
    List<Socket> silent = new ArrayList<>();
    int connected = 0;
    for (int round = 0; round < rounds; round++) {
      for (int port : ports) {
        connected += visit(new InetSocketAddress(arguments[0], port), random, silent) ? 1 : 0;
      }
    }
    System.out.println("stranger: ports=" + ports.length + ", connected=" + connected);
    silent.forEach(StrangerMain::close);
  }

  private static boolean visit(
      InetSocketAddress address, SplittableRandom random, List<Socket> silent) {
    Socket socket = new Socket();
    boolean connected = false;
    try {
      socket.connect(address, CONNECT_MILLIS);
      connected = true;
      OutputStream out = socket.getOutputStream();
      switch (random.nextInt(4)) {
        case 0 -> out.write(noise(random));
        case 1 -> out.write("GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
        case 2 -> out.write(ones(random));
        default -> {
          silent.add(socket);
          return true;
        }
      }
    } catch (IOException _) {
      // It is a stranger's lot to be thrown out.
    }
    close(socket);
    return connected;
  }

  private static byte[] noise(SplittableRandom random) {
    byte[] bytes = new byte[random.nextInt(MAX_BYTES)];
    random.nextBytes(bytes);
    return bytes;
  }

  private static byte[] ones(SplittableRandom random) {
    byte[] bytes = new byte[random.nextInt(64)];
    Arrays.fill(bytes, (byte) (random.nextBoolean() ? -1 : 0x7f));
    return bytes;
  }

  private static void close(Socket socket) {
    try {
      socket.close();
    } catch (IOException e) {
      System.out.println("not closed: cause=" + e);
    }
  }
}
