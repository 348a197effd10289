package io.crossdock.cuda.driver;

/// What a GPU can run.
///
/// Safe for any thread.
///
/// @param major generation, 9 for Hopper
/// @param minor variant
public record ComputeCapability(int major, int minor) implements Comparable<ComputeCapability> {

  @Override
  public int compareTo(ComputeCapability other) {
    int byMajor = Integer.compare(major, other.major);
    return byMajor != 0 ? byMajor : Integer.compare(minor, other.minor);
  }

  @Override
  public String toString() {
    return major + "." + minor;
  }
}
