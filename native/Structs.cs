using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace S3dlio.Native;

/// <summary>A struct of include/s3dlio.h: all begin with their size, as the caller was compiled with, and grow at their end only.</summary>
interface ISizedStruct
{
    /// <summary>The size that it had in the first release of this ABI version: callers of that time have no more.</summary>
    static abstract int LeastSize { get; }
}

/// <summary>
/// Structs of callers that were compiled with an older or a newer header than this library. What an older one lacks is zero for the
/// library, and not written to; of what a newer one has more, inputs must be zero, which asks for nothing that this library does not know,
/// and results are left alone.
/// </summary>
static unsafe class Structs
{
    /// <summary>No struct is that large: a size beyond it is none.</summary>
    const int LargestInput = 4096;

    /// <summary>
    /// Reads arrays of structs one by one, in steps of the size that the caller's structs have; a reserved number follows the size.
    /// </summary>
    public readonly struct Inputs<T>
        where T : unmanaged, ISizedStruct
    {
        readonly byte* _first;
        readonly uint _size;
        readonly string _name;

        public Inputs(T* first, int count, string name)
        {
            _first = (byte*)first;
            _name = name;
            _size = count == 0 ? (uint)sizeof(T) : *(uint*)first;
            if (_size < T.LeastSize || _size > LargestInput || _size % sizeof(ulong) != 0)
                throw Arguments.Wrong(
                    $"{name}[0]", $"has struct_size {_size}, expected the size of the struct, {sizeof(T)} in this release");
        }

        public T this[int index]
        {
            get
            {
                byte* at = _first + ((nuint)index * _size);
                if (*(uint*)at != _size)
                    throw Arguments.Wrong(
                        $"{_name}[{index}]",
                        $"has struct_size {*(uint*)at}, and {_name}[0] has {_size}: structs of one array have one size");
                if (*(uint*)(at + sizeof(uint)) != 0)
                    throw Arguments.Wrong($"{_name}[{index}]", $"has reserved {*(uint*)(at + sizeof(uint))}, expected 0");
                if (_size == sizeof(T))
                    return *(T*)at;
                T value = default;
                Unsafe.CopyBlockUnaligned(&value, at, Math.Min(_size, (uint)sizeof(T)));
                if (_size > sizeof(T) && new ReadOnlySpan<byte>(at + sizeof(T), (int)_size - sizeof(T)).ContainsAnyExcept((byte)0))
                    throw Arguments.Wrong(
                        $"{_name}[{index}]",
                        $"has {_size} bytes, and what lies beyond the {sizeof(T)} that this release knows is not zero: it needs a newer "
                        + "library");
                return value;
            }
        }
    }

    /// <summary>Refuses a result struct whose size the caller forgot.</summary>
    public static void Out<T>(T* target, string name)
        where T : unmanaged, ISizedStruct
    {
        Arguments.Out(target, name);
        if (*(uint*)target < T.LeastSize)
            throw Arguments.Wrong(name, $"has struct_size {*(uint*)target}, expected at least {T.LeastSize}");
    }

    /// <summary>Fills as much as the caller's struct has, but for its size; one that <see cref="Out"/> took.</summary>
    public static void Give<T>(T* target, T value)
        where T : unmanaged, ISizedStruct
    {
        uint size = Math.Min(*(uint*)target, (uint)sizeof(T));
        Unsafe.CopyBlockUnaligned((byte*)target + sizeof(uint), (byte*)&value + sizeof(uint), size - sizeof(uint));
    }
}
