/// Who goes where, in plain scalar Java: gating, made-up routings, and the reference of layout,
/// dispatch and combine that every engine is compared with. Nothing here is shared with an engine.
package io.crossdock.core.routing;
