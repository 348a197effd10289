package io.crossdock.ucx;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/// Networks that UCX opened, as `TRANSPORT/DEVICE`.
///
/// Safe for any thread.
///
/// @param names like `tcp/eth0` and `rc_mlx5/mlx5_0:1`
record NetworkNames(List<String> names) {
  private static final Pattern NAME = Pattern.compile("\\w+/[\\w:.-]+");

  /// Connections of InfiniBand and RoCE, which store at the peer by themselves. Its datagrams
  /// (`ud`) and TCP do not: there UCX emulates puts.
  private static final Pattern WITH_PUTS = Pattern.compile("(rc|dc)_(verbs|mlx5)/.*");

  NetworkNames {
    names = List.copyOf(names);
  }

  /// Reads the lines of resources that a context prints.
  static NetworkNames of(String text) {
    List<String> found = new ArrayList<>();
    for (String line : text.split("\n", -1)) {
      if (!line.contains("resource ")) {
        continue;
      }
      for (String word : line.trim().split("\\s+", -1)) {
        if (NAME.matcher(word).matches()) {
          found.add(word);
        }
      }
    }
    return new NetworkNames(found);
  }

  /// {@return true if one of them stores bytes at a peer without its help}
  boolean havePuts() {
    return names.stream().anyMatch(name -> WITH_PUTS.matcher(name).matches());
  }

  @Override
  public String toString() {
    return String.join(" ", names);
  }
}
