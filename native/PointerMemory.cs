using System.Buffers;
using System.Runtime.InteropServices;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>Memory that C or Python owns, valid until the operation that got it has ended.</summary>
sealed unsafe class PointerMemory(byte* start, long length) : LargeMemory
{
    readonly byte* _start = start;

    public override long Length { get; } = length;

    public override Memory<byte> Slice(long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length - length);
        return new Manager(_start + offset, length).Memory;
    }

    sealed class Manager(byte* start, int length) : MemoryManager<byte>
    {
        readonly byte* _start = start;

        public override Span<byte> GetSpan() => new(_start, length);

        public override MemoryHandle Pin(int elementIndex = 0) => new(_start + elementIndex);

        public override void Unpin()
        {
            // the memory is not the garbage collector's: it never moves
        }

        protected override void Dispose(bool disposing)
        {
            // the owner frees it
        }
    }
}

/// <summary>Memory that the library allocated for a result: small, in a slab with others, or large and warm.</summary>
sealed unsafe class ResultMemory : IDisposable
{
    readonly ResultSlab? _slab;
    readonly long _region;
    byte* _start;

    public ResultMemory(long length)
    {
        Length = length;
        if (length < ResultSlab.Least)
            _start = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(length, 1), 64);
        else if (length < WarmRegions.Least)
            _start = ResultSlab.Rent(length, out _slab);
        else
            _start = WarmRegions.Rent(length, out _region);
        Target = new PointerMemory(_start, length);
    }

    public long Length { get; }

    public LargeMemory Target { get; }

    public byte* Start => _start;

    public void Dispose()
    {
        if (_start is null)
            return;
        if (_slab is not null)
            _slab.Return(_start, Length);
        else if (_region > 0)
            WarmRegions.Return(_start, _region);
        else
            NativeMemory.AlignedFree(_start);
        _start = null;
    }
}
