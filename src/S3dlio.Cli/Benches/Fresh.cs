using System.Buffers.Binary;
using S3dlio.OpLog;

namespace S3dlio.Cli.Benches;

/// <summary>
/// Bytes for objects that are all different at next to no cost: noise that was made once, of which each block of 4 KiB gets a number that
/// no other has. For one thread.
/// </summary>
sealed class Fresh
{
    const int BlockLength = 4096;

    readonly byte[] _bytes;
    ulong _number;

    /// <param name="most">Bytes of the largest object.</param>
    /// <param name="seed">Another one, other bytes.</param>
    /// <param name="compress">How many times smaller the data can be made.</param>
    public Fresh(long most, ulong seed, double compress)
    {
        _bytes = new byte[most];
        _number = seed << 40;
        new SyntheticData(seed, compress).Fill(_bytes);
    }

    /// <summary>Good until the next call.</summary>
    public Memory<byte> Next(long length)
    {
        var bytes = _bytes.AsSpan(0, (int)length);
        for (int at = 0; at + sizeof(ulong) <= bytes.Length; at += BlockLength)
            BinaryPrimitives.WriteUInt64LittleEndian(bytes[at..], ++_number);
        return _bytes.AsMemory(0, (int)length);
    }
}
