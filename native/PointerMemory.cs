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

/// <summary>Memory that an operation allocated for its result; freed with the operation.</summary>
sealed unsafe class ResultMemory : IDisposable
{
    readonly ResultSlab? _slab;
    byte* _start;

    public ResultMemory(long length)
    {
        Length = length;
        if (length is >= ResultSlab.Least and <= ResultSlab.Most)
        {
            _start = ResultSlab.Rent(length, out _slab);
            Target = new PointerMemory(_start, length);
            return;
        }
        _start = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(length, 1), length >= HugePage ? (nuint)HugePage : 64);
        if (length >= HugePage)
            // a fault for each 4 KiB costs as much as reading the data; where this is refused nothing is lost
            _ = madvise(_start, (nuint)length, MadviseHugePage);
        Target = new PointerMemory(_start, length);
    }

    const int HugePage = 2 << 20;
    const int MadviseHugePage = 14;

    public long Length { get; }

    public LargeMemory Target { get; }

    public byte* Start => _start;

    public void Dispose()
    {
        if (_start is null)
            return;
        if (_slab is not null)
            _slab.Return(_start, Length);
        else
            NativeMemory.AlignedFree(_start);
        _start = null;
    }

    [DllImport("libc")]
    static extern int madvise(void* address, nuint length, int advice);
}
