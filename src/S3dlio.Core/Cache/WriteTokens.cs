using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using S3dlio.IO;

namespace S3dlio.Cache;

/// <summary>
/// How a write through one process ends what others keep of the object: a table of random numbers, one of which stands for each object. A
/// writer changes it before its write and after it; what was asked under another number counts for nothing. It is read and written with
/// plain
/// reads and writes: a torn number is like no other, so it is a miss.
/// </summary>
sealed class WriteTokens
{
    const int Count = 64 << 10;

    readonly SafeFileHandle _handle;

    /// <exception cref="DiskException">The table cannot be made.</exception>
    public WriteTokens(SafeFileHandle handle)
    {
        _handle = handle;
        LocalDisk.Check(Interop.Status(handle, out var status), "tokens", "look at");
        // several may make it at once: whose numbers stay does not matter
        if (status.Size < Count * sizeof(ulong))
            LocalDisk.Check(Renew(), "tokens", "write");
    }

    /// <summary>True once no name leads to the table.</summary>
    public bool IsDeleted => Interop.Status(_handle, out var status) == 0 && status.Links == 0;

    /// <summary>The number of an object now; null where it cannot be had, and nothing may be kept or believed.</summary>
    public ulong? Read(EntryId meta)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        return Interop.Read(_handle, bytes, Place(meta), out int count) == 0 && count == bytes.Length
            ? BinaryPrimitives.ReadUInt64LittleEndian(bytes) : null;
    }

    /// <summary>What was kept of the object counts for nothing from now on.</summary>
    /// <returns>False where it could not be said.</returns>
    public bool Change(EntryId meta)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, Random.Shared.NextInt64());
        return Interop.Write(_handle, bytes, Place(meta)) == 0;
    }

    /// <summary>The same of all objects.</summary>
    public bool ChangeAll() => Renew() == 0;

    int Renew()
    {
        var bytes = new byte[Count * sizeof(ulong)];
        Random.Shared.NextBytes(bytes);
        return Interop.Write(_handle, bytes, 0);
    }

    static long Place(EntryId meta) => (long)(meta.Low % Count) * sizeof(ulong);
}
