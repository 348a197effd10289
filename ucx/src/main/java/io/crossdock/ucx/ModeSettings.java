package io.crossdock.ucx;

import io.crossdock.core.Mode;
import io.crossdock.core.spi.TransportSettings;
import io.crossdock.ucx.binding.Config;
import io.crossdock.ucx.binding.Context;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/// The settings of one mode: properties `crossdock.ucx.MODE.*` first, then the environment
/// (`PREFIX_UCX_KEY`, then `UCX_KEY`), then what is chosen here.
///
/// Safe for any thread.
///
/// @param mode whose
/// @param numQpsPerRank queue pairs to each peer
/// @param isOnOneMachine whether all ranks are on this machine
record ModeSettings(Mode mode, int numQpsPerRank, boolean isOnOneMachine) {
  private static final Path DEVICES = Path.of("/sys/class/infiniband");
  private static final String AUTO = "auto";
  private static final String PUTS = "puts";
  private static final String MESSAGE_BYTES = "messageBytes";

  /// Bytes of rows in one message at most: several rows of 14 KiB.
  private static final long DEFAULT_MESSAGE_BYTES = 128 << 10;

  private static final long LEAST_MESSAGE_BYTES = 1 << 10;
  private static final long MOST_MESSAGE_BYTES = 16 << 20;

  /// What UCX and we put in front of the rows of a message.
  private static final long HEADROOM_BYTES = 2 << 10;

  private static final int MOST_RAILS = 8;
  private static final int FIRST_MINOR_WITH_FENCES_THAT_WAIT = 14;
  private static final int FIRST_MINOR_WITH_FENCE_OF_ENDPOINTS = 19;

  /// What a transport is opened with.
  static ModeSettings of(TransportSettings settings) {
    return new ModeSettings(settings.mode(), settings.numQpsPerRank(), settings.isOnOneMachine());
  }

  /// What ranks on several machines get, with one queue pair to each peer.
  static ModeSettings of(Mode mode) {
    return new ModeSettings(mode, 1, false);
  }

  /// `normal` or `lowLatency`.
  String word() {
    return mode == Mode.NORMAL ? "normal" : "lowLatency";
  }

  /// What stands in front of `_UCX_` in the environment.
  String prefix() {
    return mode == Mode.NORMAL ? "CROSSDOCK_NORMAL" : "CROSSDOCK_LL";
  }

  private String propertyPrefix() {
    return "crossdock.ucx." + word() + ".";
  }

  /// What the property says, or else what the networks can do: UCX is opened to look, where there
  /// is a device that may be one of them.
  PutsKind puts() {
    String word = System.getProperty(propertyPrefix() + PUTS, AUTO);
    for (PutsKind kind : PutsKind.values()) {
      if (kind.word().equals(word)) {
        return kind;
      }
    }
    if (!word.equals(AUTO)) {
      throw new IllegalArgumentException(
          "no such kind of puts: property="
              + propertyPrefix()
              + PUTS
              + ", value="
              + word
              + ", allowed=auto|rma|messages");
    }
    return putsOfMachine();
  }

  private PutsKind putsOfMachine() {
    return devices().isEmpty() ? PutsKind.MESSAGES : putsOfNetworks();
  }

  /// What the networks can do that UCX opens with these settings. A device alone says little: it
  /// may be out of reach of a container, without a link, or left out by `TLS` and `NET_DEVICES`.
  PutsKind putsOfNetworks() {
    try (Config config = open(chosenForPuts());
        Context context = Context.open(config, 1, true)) {
      boolean havePuts = NetworkNames.of(context.text()).havePuts();
      return havePuts ? PutsKind.RMA : PutsKind.MESSAGES;
    }
  }

  /// Names of the InfiniBand and RoCE devices of this machine; empty if there are none.
  static String devices() {
    StringBuilder names = new StringBuilder();
    if (!Files.isDirectory(DEVICES)) {
      return "";
    }
    try (DirectoryStream<Path> list = Files.newDirectoryStream(DEVICES)) {
      for (Path device : list) {
        names.append(names.isEmpty() ? "" : ",").append(device.getFileName());
      }
    } catch (IOException e) {
      return "";
    }
    return names.toString();
  }

  /// Bytes of rows in one message at most, as wished.
  long messageBytes() {
    long bytes = messageBytesAsGiven();
    if (bytes < LEAST_MESSAGE_BYTES || bytes > MOST_MESSAGE_BYTES) {
      throw new IllegalArgumentException(
          "size of messages is out of range: property="
              + propertyPrefix()
              + MESSAGE_BYTES
              + ", value="
              + bytes
              + ", least="
              + LEAST_MESSAGE_BYTES
              + ", most="
              + MOST_MESSAGE_BYTES);
    }
    return bytes;
  }

  private long messageBytesAsGiven() {
    String text = System.getProperty(propertyPrefix() + MESSAGE_BYTES);
    try {
      return text == null ? DEFAULT_MESSAGE_BYTES : Long.parseLong(text.strip());
    } catch (NumberFormatException _) {
      throw new IllegalArgumentException(
          "size of messages is no number of bytes: property="
              + propertyPrefix()
              + MESSAGE_BYTES
              + ", value="
              + text);
    }
  }

  /// Settings for UCX; the caller closes them.
  ///
  /// @param kind of puts that they are for
  /// @throws IllegalArgumentException if UCX refuses what a property says
  Config open(PutsKind kind) {
    return open(chosen(kind));
  }

  private Config open(Map<String, String> chosen) {
    Config config = Config.read(prefix());
    try {
      chosen.forEach((key, value) -> setUnlessSet(config, key, value));
      // Networks read the environment without a prefix alone, so all of a mode's is told here.
      environment().forEach(config::set);
      properties().forEach((key, value) -> setWanted(config, key, value));
      return config;
    } catch (RuntimeException e) {
      config.close();
      throw e;
    }
  }

  private void setUnlessSet(Config config, String key, String value) {
    String variable = "UCX_" + key;
    if (System.getenv(variable) != null || System.getenv(prefix() + "_" + variable) != null) {
      return;
    }
    // A version without the setting needs no other value of it.
    config.set(key, value);
  }

  private void setWanted(Config config, String key, String value) {
    if (!config.set(key, value)) {
      throw new IllegalArgumentException(
          "UCX has no such setting: property=" + propertyPrefix() + key + ", value=" + value);
    }
  }

  /// Settings of UCX that the environment has for this mode alone.
  Map<String, String> environment() {
    Map<String, String> found = new TreeMap<>();
    String start = prefix() + "_UCX_";
    System.getenv()
        .forEach((name, value) -> {
          if (name.startsWith(start)) {
            found.put(name.substring(start.length()), value);
          }
        });
    return found;
  }

  /// Settings of UCX that the user gave as properties: those whose last part is in capitals.
  Map<String, String> properties() {
    Map<String, String> found = new TreeMap<>();
    for (String name : System.getProperties().stringPropertyNames()) {
      String key =
          name.startsWith(propertyPrefix()) ? name.substring(propertyPrefix().length()) : "";
      if (!key.isEmpty() && key.equals(key.toUpperCase(Locale.ROOT))) {
        found.put(key, System.getProperty(name));
      }
    }
    return found;
  }

  /// What is chosen here where the user said nothing.
  Map<String, String> chosen(PutsKind kind) {
    Map<String, String> chosen = kind.isRma() ? chosenForPuts() : chosenForMessages();
    // Else a thread is kept for minutes by each peer whose port is behind a firewall.
    chosen.put("TCP_CONN_NB", "y");
    if (isOnOneMachine && (!kind.isRma() || !putsOfMachine().isRma())) {
      // UCX writes what anybody who reaches its port tells it to write, and so do puts that are
      // forced where no network has them: they come over TCP as well.
      chosen.put("NET_DEVICES", "lo");
    }
    return chosen;
  }

  /// Messages are copied into the network's own memory, and never more than one segment: what UCX
  /// sends from the caller's memory, or fetches, ends the process when the peer dies (1.13).
  private Map<String, String> chosenForMessages() {
    Map<String, String> chosen = new TreeMap<>();
    String segment = Long.toString(messageBytes() + HEADROOM_BYTES);
    chosen.put("TLS", "tcp");
    chosen.put("ZCOPY_THRESH", "inf");
    chosen.put("RNDV_THRESH", "inf");
    chosen.put("MAX_EAGER_RAILS", "1");
    chosen.put("MAX_EAGER_LANES", "1");
    chosen.put("TCP_TX_SEG_SIZE", segment);
    chosen.put("TCP_RX_SEG_SIZE", segment);
    return chosen;
  }

  private Map<String, String> chosenForPuts() {
    Map<String, String> chosen = new TreeMap<>();
    // Ranks of different nodes on one machine, as in tests, must not find a way through its memory.
    chosen.put("TLS", "^sm");
    int minor = Context.minorVersion();
    boolean isOneLane = false;
    if (minor >= FIRST_MINOR_WITH_FENCE_OF_ENDPOINTS) {
      chosen.put("FENCE_MODE", "ep_based");
    } else if (minor >= FIRST_MINOR_WITH_FENCES_THAT_WAIT) {
      // Else a fence may wait for all peers, without a bound. A weak one keeps order on one lane.
      chosen.put("FENCE_MODE", "weak");
      isOneLane = true;
    }
    if (numQpsPerRank > 1 || isOneLane) {
      String rails = Integer.toString(isOneLane ? 1 : Math.min(numQpsPerRank, MOST_RAILS));
      chosen.put("IB_NUM_PATHS", rails);
      chosen.put("MAX_RMA_RAILS", rails);
      chosen.put("MAX_RMA_LANES", rails);
    }
    return chosen;
  }
}
