package io.crossdock.cuda.driver;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Optional;
import java.util.Properties;

/// The compiled kernels of this build.
///
/// Safe for any thread.
public enum KernelImage {
  /// For use.
  RELEASE("kernels.fatbin"),
  /// With random delays before every flag, for tests.
  DEBUG("kernels-debug.fatbin");

  private static final String FOLDER = "/io/crossdock/cuda/";
  private static final String FACTS = FOLDER + "kernels.properties";

  private final String resource;

  KernelImage(String resource) {
    this.resource = FOLDER + resource;
  }

  /// {@return true if this build has the image, that is, was made with nvcc}
  public boolean isPresent() {
    return KernelImage.class.getResource(resource) != null;
  }

  /// Reads the image.
  ///
  /// @return a fatbin
  /// @throws IllegalStateException if this build has none
  public byte[] read() {
    try (InputStream in = KernelImage.class.getResourceAsStream(resource)) {
      if (in == null) {
        throw new IllegalStateException("kernels are missing: resource=" + resource);
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// {@return the CUDA release whose compiler made the images; empty if there are none}
  public static Optional<CudaRelease> builtWith() {
    return fact("nvcc").map(CudaRelease::parse);
  }

  /// {@return what is in the images, for example `sm_90a sm_100a compute_90`; empty if there are
  /// none}
  public static Optional<String> architectures() {
    return fact("architectures");
  }

  private static Optional<String> fact(String key) {
    try (InputStream in = KernelImage.class.getResourceAsStream(FACTS)) {
      if (in == null) {
        return Optional.empty();
      }
      Properties facts = new Properties();
      facts.load(in);
      return Optional.ofNullable(facts.getProperty(key));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
