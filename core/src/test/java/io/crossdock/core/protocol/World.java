package io.crossdock.core.protocol;

import static io.crossdock.core.protocol.Violation.check;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// A scenario in flight: all memory, and every thread with what it does next.
final class World implements Model {
  final Scenario scenario;
  final Rules rules;
  final Oracle oracle;
  final Page[] pages = new Page[Scenario.NUM_RANKS];
  final Rank[] ranks = new Rank[Scenario.NUM_RANKS];
  final Actor[] actors;
  int numGathered;
  int numRestored;
  long highestEpoch;

  World(Scenario scenario, Rules rules) {
    this.scenario = scenario;
    this.rules = rules;
    this.oracle = new Oracle(scenario);
    List<Actor> all = new ArrayList<>();
    for (int rank = 0; rank < pages.length; rank++) {
      pages[rank] = new Page(scenario);
      ranks[rank] = new Rank(rank, scenario, pages[rank]);
      boolean shared = !scenario.streams.get(rank).isEmpty();
      all.add(new Actor(this, ranks[rank], scenario.callers.get(rank), shared));
      if (shared) {
        all.add(new Actor(this, ranks[rank], scenario.streams.get(rank), true));
      }
    }
    actors = all.toArray(new Actor[0]);
    for (Actor actor : actors) {
      actor.settle();
    }
  }

  /// Each choice is an actor and a [Choice].
  @Override
  public int choices(int[] into) {
    int count = 0;
    for (int actor = 0; actor < actors.length; actor++) {
      for (Choice choice : Choice.ALL) {
        if (actors[actor].isEnabled(choice)) {
          into[count++] = choice.of(actor);
        }
      }
    }
    return count;
  }

  @Override
  public int maxChoices() {
    return actors.length * Choice.ALL.size();
  }

  @Override
  public void take(int choice) {
    actors[Choice.actor(choice)].take(Choice.choice(choice));
  }

  @Override
  public void checkEnd() {
    for (Actor actor : actors) {
      check(actor.isDone(), "deadlock: " + describe());
    }
    boolean usable = Arrays.stream(pages).noneMatch(page -> page.state == PeerState.ABORTED);
    for (Rank rank : ranks) {
      boolean held = holdsCall(rank.protocol.receive()) || holdsCall(rank.protocol.output());
      check(!(usable && held), "a window leaked: " + describe());
    }
  }

  @Override
  public String describe(int choice) {
    return Choice.choice(choice) + " " + actors[Choice.actor(choice)];
  }

  private static boolean holdsCall(WindowSet windows) {
    for (int window = 0; window < windows.size(); window++) {
      if (windows.holder(window) == WindowSet.Holder.CALL) {
        return true;
      }
    }
    return false;
  }

  String describe() {
    StringBuilder facts = new StringBuilder();
    for (Actor actor : actors) {
      facts.append(facts.isEmpty() ? "" : "; ").append(actor);
    }
    return facts.toString();
  }
}
