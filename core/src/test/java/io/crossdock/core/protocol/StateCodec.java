package io.crossdock.core.protocol;

import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;

/// Saves everything that changes in a [World], the private state of the protocol included, as
/// numbers, and loads it again.
///
/// The graph of objects is walked once. It must keep its shape: primitives, enums and strings
/// change, arrays and other objects stay. [Fixed] objects and send plans are no part of it.
final class StateCodec {
  private static final String PACKAGE = StateCodec.class.getPackageName();

  /// A piece of state that takes a known number of longs.
  private interface Leaf {
    int size();

    void save(long[] to, int at);

    void load(long[] from, int at);
  }

  private final Leaf[] leaves;
  private final int[] offsets;
  private final List<String> strings = new ArrayList<>();
  private final int size;

  StateCodec(Object root) {
    List<Leaf> found = new ArrayList<>();
    walk(root, Collections.newSetFromMap(new IdentityHashMap<>()), found);
    leaves = found.toArray(new Leaf[0]);
    offsets = new int[leaves.length];
    int at = 0;
    for (int i = 0; i < leaves.length; i++) {
      offsets[i] = at;
      at += leaves[i].size();
    }
    size = at;
  }

  long[] save() {
    long[] state = new long[size];
    for (int i = 0; i < leaves.length; i++) {
      leaves[i].save(state, offsets[i]);
    }
    return state;
  }

  void load(long[] state) {
    for (int i = 0; i < leaves.length; i++) {
      leaves[i].load(state, offsets[i]);
    }
  }

  private void walk(Object object, Set<Object> seen, List<Leaf> found) {
    if (object == null || !seen.add(object)) {
      return;
    }
    if (object.getClass().isArray()) {
      walkArray(object, seen, found);
      return;
    }
    for (Class<?> type = object.getClass(); type != Object.class; type = type.getSuperclass()) {
      for (Field field : type.getDeclaredFields()) {
        walkField(object, field, seen, found);
      }
    }
  }

  private void walkField(Object object, Field field, Set<Object> seen, List<Leaf> found) {
    boolean constant = Modifier.isFinal(field.getModifiers());
    boolean value =
        field.getType().isPrimitive()
            || field.getType().isEnum()
            || field.getType() == String.class;
    if (Modifier.isStatic(field.getModifiers()) || (value && constant)) {
      return;
    }
    field.setAccessible(true);
    if (value) {
      found.add(new FieldLeaf(object, field));
      return;
    }
    Object target = get(object, field);
    if (target != null && isState(target)) {
      walk(target, seen, found);
    }
  }

  private static boolean isState(Object target) {
    Class<?> type = target.getClass();
    return type.isArray()
        || (type.getPackageName().equals(PACKAGE)
            && !(target instanceof Fixed)
            && !(target instanceof SendPlan));
  }

  private void walkArray(Object array, Set<Object> seen, List<Leaf> found) {
    Class<?> type = array.getClass().getComponentType();
    if (array instanceof long[] longs) {
      found.add(new LongsLeaf(longs));
    } else if (type.isPrimitive() || type.isEnum()) {
      found.add(new ArrayLeaf(array, type.getEnumConstants()));
    } else {
      for (Object element : (Object[]) array) {
        walk(element, seen, found);
      }
    }
  }

  private static Object get(Object object, Field field) {
    try {
      return field.get(object);
    } catch (IllegalAccessException e) {
      throw new AssertionError("field could not be read: field=" + field, e);
    }
  }

  private record LongsLeaf(long[] array) implements Leaf {
    @Override
    public int size() {
      return array.length;
    }

    @Override
    public void save(long[] to, int at) {
      System.arraycopy(array, 0, to, at, array.length);
    }

    @Override
    public void load(long[] from, int at) {
      System.arraycopy(from, at, array, 0, array.length);
    }
  }

  /// Numbers, truth values or enum constants.
  private record ArrayLeaf(Object array, Object[] constants) implements Leaf {
    @Override
    public int size() {
      return Array.getLength(array);
    }

    @Override
    public void save(long[] to, int at) {
      switch (array) {
        case int[] ints -> {
          for (int i = 0; i < ints.length; i++) {
            to[at + i] = ints[i];
          }
        }
        case boolean[] flags -> {
          for (int i = 0; i < flags.length; i++) {
            to[at + i] = flags[i] ? 1 : 0;
          }
        }
        default -> {
          Enum<?>[] values = (Enum<?>[]) array;
          for (int i = 0; i < values.length; i++) {
            to[at + i] = values[i].ordinal();
          }
        }
      }
    }

    @Override
    public void load(long[] from, int at) {
      switch (array) {
        case int[] ints -> {
          for (int i = 0; i < ints.length; i++) {
            ints[i] = (int) from[at + i];
          }
        }
        case boolean[] flags -> {
          for (int i = 0; i < flags.length; i++) {
            flags[i] = from[at + i] != 0;
          }
        }
        default -> {
          Object[] values = (Object[]) array;
          for (int i = 0; i < values.length; i++) {
            values[i] = constants[(int) from[at + i]];
          }
        }
      }
    }
  }

  private final class FieldLeaf implements Leaf {
    private final Object object;
    private final Field field;
    private final Class<?> type;
    private final Object[] constants;

    FieldLeaf(Object object, Field field) {
      this.object = object;
      this.field = field;
      this.type = field.getType();
      this.constants = type.getEnumConstants();
    }

    @Override
    public int size() {
      return 1;
    }

    @Override
    public void save(long[] to, int at) {
      try {
        if (type == long.class) {
          to[at] = field.getLong(object);
        } else if (type == int.class) {
          to[at] = field.getInt(object);
        } else if (type == boolean.class) {
          to[at] = field.getBoolean(object) ? 1 : 0;
        } else if (type == String.class) {
          to[at] = index((String) field.get(object));
        } else {
          to[at] = ((Enum<?>) field.get(object)).ordinal();
        }
      } catch (IllegalAccessException e) {
        throw new AssertionError("field could not be read: field=" + field, e);
      }
    }

    @Override
    public void load(long[] from, int at) {
      try {
        if (type == long.class) {
          field.setLong(object, from[at]);
        } else if (type == int.class) {
          field.setInt(object, (int) from[at]);
        } else if (type == boolean.class) {
          field.setBoolean(object, from[at] != 0);
        } else if (type == String.class) {
          field.set(object, strings.get((int) from[at]));
        } else {
          field.set(object, constants[(int) from[at]]);
        }
      } catch (IllegalAccessException e) {
        throw new AssertionError("field could not be written: field=" + field, e);
      }
    }
  }

  private int index(String string) {
    int index = strings.indexOf(string);
    if (index < 0) {
      index = strings.size();
      strings.add(string);
    }
    return index;
  }
}
