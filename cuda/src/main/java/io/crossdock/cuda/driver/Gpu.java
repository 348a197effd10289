package io.crossdock.cuda.driver;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.util.HexFormat;

/// A GPU that the driver sees. Asking starts the driver, but makes no context.
///
/// Safe for any thread.
public final class Gpu {
  private static final int UUID_BYTES = 16;

  private final int ordinal;
  private final int device;

  private Gpu(int ordinal, int device) {
    this.ordinal = ordinal;
    this.device = device;
  }

  /// {@return how many GPUs there are; `CUDA_VISIBLE_DEVICES` counts}
  public static int count() {
    Driver.start();
    Scratch scratch = Scratch.get();
    Driver.DEVICE_COUNT.check(Driver.DEVICE_COUNT.call(scratch.address()));
    return scratch.firstInt();
  }

  /// Finds a GPU.
  ///
  /// @param ordinal from 0
  /// @return the GPU
  public static Gpu of(int ordinal) {
    Driver.start();
    Scratch scratch = Scratch.get();
    Driver.DEVICE_GET.check(Driver.DEVICE_GET.call(scratch.address(), ordinal));
    return new Gpu(ordinal, scratch.firstInt());
  }

  /// {@return its number, from 0}
  public int ordinal() {
    return ordinal;
  }

  int device() {
    return device;
  }

  /// {@return for example `NVIDIA H100 80GB HBM3`}
  public String name() {
    Scratch scratch = Scratch.get();
    int code = Driver.DEVICE_NAME.call(scratch.address(), Scratch.BYTES, device);
    Driver.DEVICE_NAME.check(code);
    return scratch.text();
  }

  /// {@return for example `0000:1b:00.0`}
  public String pciBusId() {
    Scratch scratch = Scratch.get();
    int code = Driver.DEVICE_PCI_BUS_ID.call(scratch.address(), Scratch.BYTES, device);
    Driver.DEVICE_PCI_BUS_ID.check(code);
    return scratch.text();
  }

  /// {@return 32 hexadecimal digits, the same in every process; a part of a GPU has its own}
  public String uuid() {
    Scratch scratch = Scratch.get();
    Driver.DEVICE_UUID.check(Driver.DEVICE_UUID.call(scratch.address(), device));
    byte[] bytes = scratch.segment().asSlice(0, UUID_BYTES).toArray(JAVA_BYTE);
    return HexFormat.of().formatHex(bytes);
  }

  /// {@return bytes of its memory}
  public long totalBytes() {
    Scratch scratch = Scratch.get();
    Driver.DEVICE_TOTAL_BYTES.check(Driver.DEVICE_TOTAL_BYTES.call(scratch.address(), device));
    return scratch.word(0);
  }

  /// Asks for an attribute.
  ///
  /// @param attribute which
  /// @return its value; 0 if the driver is too old to know it
  public int attribute(GpuAttribute attribute) {
    Scratch scratch = Scratch.get();
    int code = Driver.DEVICE_ATTRIBUTE.call(scratch.address(), attribute.code(), device);
    if (code == Driver.INVALID_VALUE) {
      return 0;
    }
    Driver.DEVICE_ATTRIBUTE.check(code);
    return scratch.firstInt();
  }

  /// {@return streaming multiprocessors}
  public int numSms() {
    return attribute(GpuAttribute.MULTIPROCESSOR_COUNT);
  }

  /// {@return bytes of the level 2 cache}
  public int l2Bytes() {
    return attribute(GpuAttribute.L2_CACHE_SIZE);
  }

  /// {@return bytes of shared memory that a block can get when its kernel opts in}
  public int maxSharedBytesPerBlock() {
    return attribute(GpuAttribute.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
  }

  /// {@return clock of the multiprocessors in kHz, at most}
  public int clockKiloHertz() {
    return attribute(GpuAttribute.CLOCK_RATE);
  }

  /// {@return clock of the memory in kHz, at most}
  public int memoryClockKiloHertz() {
    return attribute(GpuAttribute.MEMORY_CLOCK_RATE);
  }

  /// {@return what the GPU can run, for example 9.0}
  public ComputeCapability computeCapability() {
    return new ComputeCapability(
        attribute(GpuAttribute.COMPUTE_CAPABILITY_MAJOR),
        attribute(GpuAttribute.COMPUTE_CAPABILITY_MINOR));
  }

  /// {@return true if GPU and driver know of fabric handles; whether this process can make them,
  /// [FabricProbe] says}
  public boolean supportsFabricHandles() {
    return attribute(GpuAttribute.HANDLE_TYPE_FABRIC_SUPPORTED) != 0;
  }

  /// Whether kernels of this GPU can reach the memory of another, once it is enabled.
  ///
  /// @param peer the other GPU
  /// @return true for this GPU itself too
  public boolean canAccessPeer(Gpu peer) {
    if (device == peer.device) {
      return true;
    }
    Scratch scratch = Scratch.get();
    int code = Driver.DEVICE_CAN_ACCESS_PEER.call(scratch.address(), device, peer.device);
    Driver.DEVICE_CAN_ACCESS_PEER.check(code);
    return scratch.firstInt() != 0;
  }

  /// Asks for an attribute of the way to another GPU.
  ///
  /// @param attribute which
  /// @param peer the other GPU
  /// @return its value; 0 if the driver does not know it
  public int attribute(PeerAttribute attribute, Gpu peer) {
    Scratch scratch = Scratch.get();
    int code =
        Driver.DEVICE_PEER_ATTRIBUTE.call(scratch.address(), attribute.code(), device, peer.device);
    if (code == Driver.INVALID_VALUE) {
      return 0;
    }
    Driver.DEVICE_PEER_ATTRIBUTE.check(code);
    return scratch.firstInt();
  }

  /// {@return the CUDA release that the driver stands for, for example 13.0}
  public static CudaRelease driverRelease() {
    return Driver.release();
  }

  @Override
  public String toString() {
    return "cuda:" + ordinal;
  }
}
