package io.crossdock.verify.harness;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;

/// Marks tests of the CUDA engine: they carry the tag `gpu`, by which `tools/gpu.sh` finds them,
/// and skip themselves with the reason where that engine cannot run.
@Documented
@Retention(RetentionPolicy.RUNTIME)
@Target({ElementType.TYPE, ElementType.METHOD})
@Tag("gpu")
@ExtendWith(GpuSupport.Condition.class)
public @interface RequiresGpu {
  /// Tag of the few small cases that also run under compute-sanitizer, where a kernel takes a
  /// hundred times as long: `@Tag(RequiresGpu.SMALL)`.
  String SMALL = "gpu-small";
}
