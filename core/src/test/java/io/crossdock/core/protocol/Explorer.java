package io.crossdock.core.protocol;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Random;

/// The deterministic scheduler: runs a scenario in every order its threads can take their steps in,
/// or in a random one.
///
/// States that were reached before are not gone into again, so that the number of states counts and
/// not the number of orders.
final class Explorer {
  /// More would be a scenario that is too large for a test.
  private static final int MAX_STATES = 4_000_000;

  private static final int MAX_STEPS = 1_000_000;

  /// One in so many, of the times it is drawn, does a rare choice happen in a walk.
  private static final int RARENESS = 24;

  /// What became of a scenario.
  ///
  /// @param numStates distinct states reached
  /// @param violation what a run broke, and the steps that led there; null if nothing
  record Result(int numStates, String violation) {}

  /// A state some of whose choices are still to be tried.
  private static final class Node {
    final long[] state;
    final int[] choices;
    int numTried;

    Node(long[] state, int[] choices) {
      this.state = state;
      this.choices = choices;
    }

    int taken() {
      return choices[numTried - 1];
    }
  }

  private final Fixed scenario;
  private final Model world;
  private final StateCodec codec;
  private final int[] enabled;

  private Explorer(Fixed scenario, Model world) {
    this.scenario = scenario;
    this.world = world;
    this.codec = new StateCodec(world);
    this.enabled = new int[world.maxChoices()];
  }

  /// Runs a scenario in every order.
  ///
  /// @param scenario what the ranks do
  /// @param rules the protocol's, or broken ones
  /// @return what became of it
  static Result explore(Scenario scenario, Rules rules) {
    return explore(scenario, new World(scenario, rules));
  }

  /// Runs a model in every order.
  ///
  /// @param scenario what the model does
  /// @param world the model, at its start
  /// @return what became of it
  static Result explore(Fixed scenario, Model world) {
    return new Explorer(scenario, world).explore();
  }

  private Result explore() {
    LongSet visited = new LongSet();
    Deque<Node> path = new ArrayDeque<>();
    long[] start = codec.save();
    try {
      push(path, start);
      while (!path.isEmpty()) {
        Node node = path.peek();
        if (node.numTried == node.choices.length) {
          path.pop();
          continue;
        }
        codec.load(node.state);
        world.take(node.choices[node.numTried++]);
        long[] state = codec.save();
        if (visited.add(LongSet.hash(state))) {
          push(path, state);
        }
        if (visited.size() > MAX_STATES) {
          throw new IllegalStateException("too many states: scenario=" + scenario);
        }
      }
      return new Result(visited.size(), null);
    } catch (Violation e) {
      List<Integer> taken = new ArrayList<>();
      path.descendingIterator().forEachRemaining(node -> taken.add(node.taken()));
      return new Result(visited.size(), e.getMessage() + retrace(start, taken));
    }
  }

  private void push(Deque<Node> path, long[] state) {
    int count = world.choices(enabled);
    if (count == 0) {
      world.checkEnd();
      return;
    }
    int[] choices = new int[count];
    System.arraycopy(enabled, 0, choices, 0, count);
    path.push(new Node(state, choices));
  }

  private String retrace(long[] start, List<Integer> taken) {
    StringBuilder steps = new StringBuilder("\n  scenario: " + scenario);
    codec.load(start);
    for (int i = 0; i < taken.size(); i++) {
      steps.append("\n  ").append(world.describe(taken.get(i)));
      if (i + 1 < taken.size()) {
        world.take(taken.get(i));
      }
    }
    return steps.toString();
  }

  /// Runs a scenario once, in a random order.
  ///
  /// @param scenario what the ranks do
  /// @param rules the protocol's, or broken ones
  /// @param random decides whose turn it is
  /// @return what became of it
  static Result walk(Scenario scenario, Rules rules, Random random) {
    return walk(scenario, new World(scenario, rules), random);
  }

  /// Runs a model once, in a random order.
  ///
  /// @param scenario what the model does
  /// @param world the model, at its start
  /// @param random decides whose turn it is
  /// @return what became of it
  static Result walk(Fixed scenario, Model world, Random random) {
    return new Explorer(scenario, world).walk(random);
  }

  private Result walk(Random random) {
    long[] start = codec.save();
    List<Integer> taken = new ArrayList<>();
    try {
      for (int count = world.choices(enabled); count > 0; count = world.choices(enabled)) {
        taken.add(draw(count, random));
        world.take(taken.getLast());
        if (taken.size() > MAX_STEPS) {
          throw new IllegalStateException("no end: scenario=" + scenario);
        }
      }
      world.checkEnd();
      return new Result(taken.size(), null);
    } catch (Violation e) {
      return new Result(taken.size(), e.getMessage() + retrace(start, taken));
    }
  }

  private int draw(int count, Random random) {
    int drawn = enabled[random.nextInt(count)];
    while (world.isRare(drawn) && random.nextInt(RARENESS) != 0) {
      drawn = enabled[random.nextInt(count)];
    }
    return drawn;
  }
}
