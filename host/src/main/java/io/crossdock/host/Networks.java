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
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;

/// The networks of a buffer over several nodes: one for each mode, so that their traffic can go
/// separate ways.
///
/// Safe for any thread.
final class Networks implements AutoCloseable {
  private final BufferSpec spec;
  private final ProcessGroup group;
  private final NodePlace place;
  private final NodeMemory memory;
  private final Supplier<TransportProvider> choice;
  private final JointSteps together;
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
    this.together = new JointSteps(group, this::failure);
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
        together.take(() -> {
          network.set(user.get());
          Transport transport = open(mode);
          network.get().use(transport);
          return transport.offer();
        });
    // All hear of an offer that does not fit before anybody waits for who refused it.
    together.take(() -> {
      network.get().connect(offers);
      return JointSteps.NOTHING;
    });
    together.take(() -> {
      network.get().awaitConnected();
      return JointSteps.NOTHING;
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

  /// What tells by its type that no transport can run stays as it is. All else is one type on all
  /// ranks, whoever fails and why, since nothing was opened.
  private RuntimeException failure(int peer, String reason, Throwable cause) {
    return switch (cause) {
      case null -> new TransportUnavailableException(place.rank(), peer, reason);
      case EngineUnavailableException known -> known;
      default -> new TransportUnavailableException(place.rank(), reason, cause);
    };
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
