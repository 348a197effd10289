/// Number formats: BF16, FP16, FP8 E4M3FN with its scales. Scalar code, defined to the last bit:
/// the oracle of every kernel.
package io.crossdock.core.format;
