package io.crossdock.host;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.Mode;
import io.crossdock.core.TransportUnavailableException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.spi.Transport;
import io.crossdock.core.spi.TransportProvider;
import io.crossdock.core.spi.TransportSettings;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;

/// The networks of a buffer over several nodes: one for each mode, so that their traffic can go
/// separate ways.
///
/// Safe for any thread.
final class Networks implements AutoCloseable {
  private static final byte GOOD = 0;
  private static final byte BAD = 1;
  private static final byte[] NOTHING = {};

  private final BufferSpec spec;
  private final ProcessGroup group;
  private final NodePlace place;
  private final NodeMemory memory;
  private final Supplier<TransportProvider> choice;
  private final List<Network> all = new ArrayList<>();

  /// @param memory of this rank, which outlives the networks
  /// @param choice tells which transport to take
  Networks(
      BufferSpec spec, ProcessGroup group, NodeMemory memory, Supplier<TransportProvider> choice) {
    this.spec = spec;
    this.group = group;
    this.place = new NodePlace(group.rank(), group.size(), group.localSize());
    this.memory = memory;
    this.choice = choice;
  }

  /// Opens and connects the networks of a rank. Collective: if one rank cannot, all fail and say
  /// whose. What was opened before is closed by [#close].
  void open() {
    for (Mode mode : modes()) {
      connect(mode, this::add);
    }
  }

  private List<Mode> modes() {
    return spec.mode() == Mode.LOW_LATENCY
        ? List.of(Mode.NORMAL, Mode.LOW_LATENCY)
        : List.of(Mode.NORMAL);
  }

  private Network add() {
    Network network = new Network(place, memory, spec.hostTimeout());
    all.add(network);
    return network;
  }

  /// Opens a transport and connects the network that it is for.
  private void connect(Mode mode, Supplier<Network> user) {
    AtomicReference<Network> network = new AtomicReference<>();
    byte[][] offers =
        gather(() -> {
          network.set(user.get());
          Transport transport = open(mode);
          network.get().use(transport);
          return transport.offer();
        });
    // All hear of an offer that does not fit before anybody waits for who refused it.
    gather(() -> {
      network.get().connect(offers);
      return NOTHING;
    });
    gather(() -> {
      network.get().awaitConnected();
      return NOTHING;
    });
  }

  private Transport open(Mode mode) {
    TransportProvider provider = choice.get();
    TransportSettings settings =
        new TransportSettings(
            mode,
            group.rank(),
            group.size(),
            spec.numQpsPerRank(),
            group.isOnOneMachine(),
            spec.hostTimeout());
    return provider.open(settings, memory.page());
  }

  /// {@return true if a far rank cannot be reached any more}
  boolean hasLost() {
    return all.stream().anyMatch(Network::hasLost);
  }

  /// Ends all connections and connects anew: all ranks live, but some were given up. Collective. If
  /// that fails the networks have lost everybody, and it may be tried again.
  void reopen() {
    List<Mode> modes = modes();
    for (int i = 0; i < modes.size(); i++) {
      Network network = all.get(i);
      connect(modes.get(i), () -> network);
    }
  }

  /// A step of opening that may fail on this rank.
  private interface Step {
    byte[] run();
  }

  private byte[][] gather(Step step) {
    byte[] mine;
    RuntimeException failure = null;
    try {
      mine = tagged(GOOD, step.run());
    } catch (RuntimeException e) {
      failure = typed(e);
      mine = tagged(BAD, String.valueOf(e.getMessage()).getBytes(StandardCharsets.UTF_8));
    }
    byte[][] all = group.allGather(mine);
    if (failure != null) {
      throw failure;
    }
    for (int peer = 0; peer < all.length; peer++) {
      ByteBuffer theirs = ByteBuffer.wrap(all[peer]);
      byte tag = theirs.get();
      byte[] rest = new byte[theirs.remaining()];
      theirs.get(rest);
      if (tag != GOOD) {
        String reason = new String(rest, StandardCharsets.UTF_8);
        throw new TransportUnavailableException(place.rank(), peer, reason);
      }
      all[peer] = rest;
    }
    return all;
  }

  /// What tells by its type that no transport can run stays as it is. All else is one type on all
  /// ranks, whoever fails and why, since nothing was opened.
  private RuntimeException typed(RuntimeException failure) {
    return switch (failure) {
      case EngineUnavailableException known -> known;
      default -> new TransportUnavailableException(place.rank(), failure);
    };
  }

  private static byte[] tagged(byte tag, byte[] bytes) {
    return ByteBuffer.allocate(1 + bytes.length).put(tag).put(bytes).array();
  }

  /// {@return what carries the bytes of the buffer's mode}
  String description() {
    return all.getLast().description();
  }

  Network normal() {
    return all.getFirst();
  }

  /// {@return that of low-latency mode; null in a buffer for normal mode alone}
  Network lowLatency() {
    return all.size() > 1 ? all.getLast() : null;
  }

  /// Gives last words time to leave, bounded.
  void linger(Board board) {
    all.forEach(network -> network.linger(board));
  }

  @Override
  public void close() {
    RuntimeException failure = null;
    for (Network network : all.reversed()) {
      try {
        network.close();
      } catch (RuntimeException e) {
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}
