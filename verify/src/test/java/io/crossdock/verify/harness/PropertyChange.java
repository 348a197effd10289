package io.crossdock.verify.harness;

/// A system property that has another value until this is closed.
///
/// Confined to one thread; one test class at a time changes properties.
public final class PropertyChange implements AutoCloseable {
  private final String name;
  private final String before;

  /// Sets the property.
  ///
  /// @param name of the property
  /// @param value until this is closed
  public PropertyChange(String name, String value) {
    this.name = name;
    this.before = System.setProperty(name, value);
  }

  @Override
  public void close() {
    if (before == null) {
      System.clearProperty(name);
    } else {
      System.setProperty(name, before);
    }
  }
}
