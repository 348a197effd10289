package io.crossdock.verify.harness;

import io.crossdock.core.routing.Topology;
import io.crossdock.core.spi.TransportChoice;

/// How ranks of a test are divided into nodes, and what carries rows between them: one node, unless
/// a test class asks for several with [OverNodes].
///
/// Safe for any thread; one test class at a time chooses.
public final class NodesUnderTest {
  private static volatile boolean several;

  private NodesUnderTest() {}

  /// {@return nodes that ranks are divided into where a test does not say: one, or else nodes of
  /// two ranks where that is more than one node, or else of one}
  ///
  /// @param numRanks R
  public static int nodesOf(int numRanks) {
    if (!several) {
      return 1;
    }
    return numRanks > 2 && numRanks % 2 == 0 ? numRanks / 2 : numRanks;
  }

  /// {@return ranks for a test that is content with few: those on one node, else four, so that
  /// every node has two and rows are forwarded}
  ///
  /// @param onOneNode R there
  public static int ranks(int onOneNode) {
    return several ? 4 : onOneNode;
  }

  /// {@return the topology of ranks that are divided so}
  ///
  /// @param numRanks R
  /// @param numExperts E
  public static Topology topology(int numRanks, int numExperts) {
    return new Topology(numRanks, numRanks / nodesOf(numRanks), numExperts);
  }

  /// {@return true if ranks are divided into several nodes}
  public static boolean areSeveral() {
    return several;
  }

  /// {@return the transport's name, empty where nobody names one}
  static String transport() {
    return System.getProperty(TransportChoice.PROPERTY, "");
  }

  static void use(String transport) {
    System.setProperty(TransportChoice.PROPERTY, transport);
    several = true;
  }

  static void useDefault() {
    System.clearProperty(TransportChoice.PROPERTY);
    several = false;
  }
}
