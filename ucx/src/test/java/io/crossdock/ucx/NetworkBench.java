package io.crossdock.ucx;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.Mode;
import io.crossdock.core.spi.Pieces;
import io.crossdock.core.spi.TransportSettings;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/// Times the transport between two processes: rows in both directions at once, and half a round
/// trip of a word with a signal behind it. Run it with the test class path; properties
/// `crossdock.ucx.normal.*` hold for both processes.
///
/// Confined to the thread that runs it.
final class NetworkBench {
  private static final long ROW_BYTES = 14336;
  private static final int ROWS = 1024;
  private static final int ROWS_A_SIGNAL = 64;
  private static final int ROUNDS = 400;
  private static final int ROUND_TRIPS = 20_000;
  private static final long ROWS_AT = 4096;
  private static final long REGION_BYTES = ROWS_AT + ROWS * ROW_BYTES;
  private static final VarHandle NUMBER = JAVA_LONG.varHandle();

  private final UcxTransport transport;
  private final MemorySegment region;
  private final MemorySegment source;
  private final int peer;
  private final Pieces pieces = new Pieces();
  private long mark;

  private NetworkBench(UcxTransport transport, int peer, Arena arena, MemorySegment region) {
    this.transport = transport;
    this.peer = peer;
    this.region = region;
    source = arena.allocate(2 * REGION_BYTES, 64).fill((byte) 0x3c);
  }

  public static void main(String[] arguments) throws IOException, InterruptedException {
    if (arguments.length > 0) {
      run(1, new InputStreamReader(System.in, StandardCharsets.US_ASCII), System.out);
      return;
    }
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("--enable-native-access=ALL-UNNAMED");
    System.getProperties().stringPropertyNames().stream()
        .filter(name -> name.startsWith("crossdock."))
        .forEach(name -> command.add("-D" + name + "=" + System.getProperty(name)));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(List.of(NetworkBench.class.getName(), "other"));
    ProcessBuilder builder = new ProcessBuilder(command);
    Process other = builder.redirectError(ProcessBuilder.Redirect.INHERIT).start();
    try {
      var input = new InputStreamReader(other.getInputStream(), StandardCharsets.US_ASCII);
      run(0, input, other.getOutputStream());
      other.waitFor();
    } finally {
      other.destroyForcibly();
    }
  }

  private static void run(int rank, InputStreamReader input, OutputStream output)
      throws IOException {
    TransportSettings settings = new TransportSettings(Mode.NORMAL, rank, 2, 1, true, Ucx.TIMEOUT);
    try (Arena arena = Arena.ofShared()) {
      MemorySegment region = arena.allocate(REGION_BYTES, 64);
      try (UcxTransport transport = UcxTransport.open(settings, region)) {
        var out = new BufferedWriter(new OutputStreamWriter(output, StandardCharsets.US_ASCII));
        out.write(HexFormat.of().formatHex(transport.offer()));
        out.newLine();
        out.flush();
        String offer = new BufferedReader(input).readLine();
        transport.connect(1 - rank, HexFormat.of().parseHex(offer));
        Ucx.await(() -> transport.isConnected(1 - rank), transport);
        new NetworkBench(transport, 1 - rank, arena, region).measure(rank);
      }
    }
  }

  private void measure(int rank) {
    double[] rounds = new double[ROUNDS];
    for (int i = -ROUNDS / 2; i < ROUNDS; i++) {
      long start = System.nanoTime();
      round();
      if (i >= 0) {
        rounds[i] = System.nanoTime() - start;
      }
    }
    check();
    double[] trips = new double[ROUND_TRIPS];
    for (int i = -ROUND_TRIPS; i < ROUND_TRIPS; i++) {
      long start = System.nanoTime();
      roundTrip(rank == 0);
      if (i >= 0) {
        trips[i] = System.nanoTime() - start;
      }
    }
    if (rank == 0) {
      System.out.printf(
          "%s: each way %.2f GB/s, put and signal %.2f us, 99%% %.2f us%n",
          transport.description(),
          ROWS * ROW_BYTES / quantile(rounds, 0.5),
          quantile(trips, 0.5) / 2e3,
          quantile(trips, 0.99) / 2e3);
    }
  }

  private static double quantile(double[] values, double part) {
    Arrays.sort(values);
    return values[(int) (part * (values.length - 1))];
  }

  /// Every other row of the source, gathered.
  private void round() {
    for (int first = 0; first < ROWS; first += ROWS_A_SIGNAL) {
      pieces.clear();
      for (int row = first; row < first + ROWS_A_SIGNAL; row++) {
        pieces.add(source, 2L * row * ROW_BYTES, ROW_BYTES);
      }
      transport.put(peer, ROWS_AT + first * ROW_BYTES, pieces);
      transport.signal(peer, 0, ++mark);
      transport.progress();
    }
    await();
    while (transport.pending() > 0) {
      transport.progress();
    }
  }

  private void check() {
    MemorySegment rows = region.asSlice(ROWS_AT);
    if (rows.mismatch(source.asSlice(0, rows.byteSize())) != -1) {
      throw new AssertionError("rows differ");
    }
  }

  private void roundTrip(boolean asks) {
    mark++;
    if (!asks) {
      await();
    }
    transport.put(peer, 128, pieces.clear().add(source, 0, 8));
    transport.signal(peer, 0, mark);
    if (asks) {
      await();
    }
  }

  private void await() {
    while ((long) NUMBER.getAcquire(region, 0L) < mark) {
      transport.progress();
    }
  }
}
