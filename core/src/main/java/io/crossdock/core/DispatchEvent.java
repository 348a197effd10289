package io.crossdock.core;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/// A dispatch on one rank, as the flight recorder keeps it.
///
/// Confined like [CallEvent].
@Name("io.crossdock.Dispatch")
@Label("Dispatch")
@Category("Crossdock")
@Description("One dispatch on one rank, from its first wait to its last row")
@StackTrace(false)
final class DispatchEvent extends CallEvent {}
