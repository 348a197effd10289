package io.crossdock.cuda;

import io.crossdock.core.DeviceInfo;
import io.crossdock.core.spi.Availability;
import io.crossdock.core.spi.EngineBackend;
import io.crossdock.core.spi.EngineProvider;
import io.crossdock.cuda.driver.CudaProbe;
import java.util.List;

/// Offers the CUDA engine: machines with a driver and a GPU of compute capability 9.0 or later have
/// it, if the build was made with nvcc.
///
/// Safe for any thread.
// The interface is for engines alone; the service loader is the only one who uses this class.
@SuppressWarnings("exports")
public final class CudaEngineProvider implements EngineProvider {
  private static final int PRIORITY = 10;

  /// Called by the service loader.
  public CudaEngineProvider() {}

  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public int priority() {
    return PRIORITY;
  }

  @Override
  public Availability probe() {
    return CudaProbe.probe();
  }

  @Override
  public List<DeviceInfo> devices() {
    return CudaEngine.gpus().stream().map(CudaDoctor::info).toList();
  }

  @Override
  public List<String> details() {
    return CudaDoctor.details();
  }

  @Override
  public EngineBackend open() {
    return new CudaEngine();
  }
}
