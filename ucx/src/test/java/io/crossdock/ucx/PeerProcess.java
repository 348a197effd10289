package io.crossdock.ucx;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.Mode;
import io.crossdock.core.spi.Pieces;
import io.crossdock.core.spi.TransportSettings;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// Another process with rank 1 of two, which streams rows and marks to rank 0 until rank 0 is gone.
/// Offers travel through its standard input and output.
///
/// Confined to the thread that started it.
final class PeerProcess implements AutoCloseable {
  static final long REGION_BYTES = 4 << 20;
  static final long MARK_AT = 0;
  static final long ROWS_AT = 4096;
  static final long ROW_BYTES = 14336;
  static final int ROWS = 64;

  private final Process process;
  private final BufferedReader output;

  private PeerProcess(Process process) {
    this.process = process;
    output = process.inputReader(StandardCharsets.US_ASCII);
  }

  static PeerProcess start() throws IOException {
    List<String> command =
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            "-Xmx128m",
            "-cp",
            System.getProperty("java.class.path"),
            PeerProcess.class.getName());
    ProcessBuilder builder = new ProcessBuilder(command);
    return new PeerProcess(builder.redirectError(ProcessBuilder.Redirect.INHERIT).start());
  }

  /// Connects a transport of this process, as rank 0, with the other's.
  void connect(UcxTransport transport) throws IOException {
    transport.connect(1, HexFormat.of().parseHex(output.readLine()));
    var input = process.outputWriter(StandardCharsets.US_ASCII);
    input.write(HexFormat.of().formatHex(transport.offer()));
    input.newLine();
    input.flush();
    Ucx.await(() -> transport.isConnected(1), transport);
  }

  /// Sends it a signal, as `kill` does.
  void kill(String signal) throws IOException, InterruptedException {
    Process kill = new ProcessBuilder("kill", "-" + signal, Long.toString(process.pid())).start();
    if (kill.waitFor() != 0) {
      throw new IOException("kill failed: signal=" + signal + ", pid=" + process.pid());
    }
  }

  /// Waits for its end; what it said last.
  String end() throws IOException, InterruptedException {
    if (!process.waitFor(30, TimeUnit.SECONDS)) {
      throw new AssertionError("process did not end: pid=" + process.pid());
    }
    return output.readLine();
  }

  @Override
  public void close() {
    process.destroyForcibly();
  }

  public static void main(String[] arguments) throws IOException {
    Duration timeout = Duration.ofSeconds(5);
    TransportSettings settings = new TransportSettings(Mode.NORMAL, 1, 2, 1, true, timeout);
    BufferedReader input =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
    try (Arena arena = Arena.ofShared()) {
      MemorySegment region = arena.allocate(REGION_BYTES, 64);
      try (UcxTransport transport = Ucx.open(PutsKind.MESSAGES, settings, region)) {
        System.out.println(HexFormat.of().formatHex(transport.offer()));
        transport.connect(0, HexFormat.of().parseHex(input.readLine()));
        Ucx.await(() -> transport.isConnected(0), transport);
        stream(transport, 0, region);
        System.out.println(transport.failure(0));
      }
    }
  }

  /// Puts and signals until the peer is gone.
  private static void stream(UcxTransport transport, int peer, MemorySegment region) {
    Pieces rows = new Pieces();
    for (long mark = 1; transport.failure(peer) == null; mark++) {
      send(transport, peer, region, rows, mark);
      while (transport.pending() > 0 && transport.failure(peer) == null) {
        transport.progress();
      }
    }
  }

  /// Sends all rows, pair by pair, and a mark behind them.
  static void send(UcxTransport transport, int peer, MemorySegment memory, Pieces rows, long mark) {
    for (int row = 0; row < ROWS; row += 2) {
      long at = ROWS_AT + row * ROW_BYTES;
      transport.put(peer, at, rows.clear().add(memory, at, 2 * ROW_BYTES));
    }
    transport.signal(peer, MARK_AT, mark);
    transport.progress();
  }

  /// What it signalled last.
  static long mark(MemorySegment region) {
    return (long) JAVA_LONG.varHandle().getAcquire(region, MARK_AT);
  }
}
