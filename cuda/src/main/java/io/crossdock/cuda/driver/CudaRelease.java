package io.crossdock.cuda.driver;

/// A release of CUDA, of a driver or of a compiler.
///
/// Safe for any thread.
///
/// @param major first number
/// @param minor second number
public record CudaRelease(int major, int minor) implements Comparable<CudaRelease> {
  private static final int MAJOR_STEP = 1000;
  private static final int MINOR_STEP = 10;

  /// Reads what `cuDriverGetVersion` answers.
  ///
  /// @param version for example 13020
  /// @return for example 13.2
  public static CudaRelease ofDriver(int version) {
    return new CudaRelease(version / MAJOR_STEP, version % MAJOR_STEP / MINOR_STEP);
  }

  /// Reads a text.
  ///
  /// @param text for example `13.0`
  /// @return the release
  public static CudaRelease parse(String text) {
    int dot = text.indexOf('.');
    return new CudaRelease(
        Integer.parseInt(text.substring(0, dot)), Integer.parseInt(text.substring(dot + 1)));
  }

  @Override
  public int compareTo(CudaRelease other) {
    int byMajor = Integer.compare(major, other.major);
    return byMajor != 0 ? byMajor : Integer.compare(minor, other.minor);
  }

  @Override
  public String toString() {
    return major + "." + minor;
  }
}
