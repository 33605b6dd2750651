using System.Buffers.Binary;
using S3dlio.Hashing;

namespace S3dlio.Compression;

/// <summary>
/// Where each frame of a compressed object lies and what it holds, from the object's last bytes. Everything in them is checked before it is
/// believed.
/// </summary>
public sealed class SeekTable
{
    readonly long[] _stored;
    readonly long[] _raw;
    readonly uint[]? _hashes;
    readonly uint[]? _checksums;

    SeekTable(long[] stored, long[] raw, uint[]? hashes, uint[]? checksums, Checksum? whole)
    {
        (_stored, _raw, _hashes, _checksums) = (stored, raw, hashes, checksums);
        Raw = whole;
    }

    public int Count => _raw.Length - 1;

    /// <summary>Bytes of the object once decompressed.</summary>
    public long RawLength => _raw[^1];

    /// <summary>CRC32C of the raw bytes, where s3dlio wrote the object.</summary>
    public Checksum? Raw { get; }

    public long StoredOffset(int frame) => _stored[frame];

    public int StoredLength(int frame) => (int)(_stored[frame + 1] - _stored[frame]);

    public long RawOffset(int frame) => _raw[frame];

    public int FrameRawLength(int frame) => (int)(_raw[frame + 1] - _raw[frame]);

    /// <summary>Whether every frame is compared with something.</summary>
    public bool HasChecksums => _checksums is not null || _hashes is not null;

    internal uint? XxHash(int frame) => _hashes?[frame];

    internal Checksum? StoredChecksum(int frame) => _checksums is null ? null : new Checksum(_checksums[frame]);

    /// <summary>The frame in which that raw byte lies, which is within <see cref="RawLength"/>.</summary>
    public int Find(long rawOffset)
    {
        int at = Array.BinarySearch(_raw, rawOffset);
        if (at < 0)
            return ~at - 1;
        // frames without content share their offset with the one behind them, which holds the byte
        while (_raw[at + 1] == rawOffset)
            at++;
        return at;
    }

    /// <summary>How many of an object's last bytes <see cref="Parse"/> needs, from its very last ones.</summary>
    /// <param name="end">At least the last 9 bytes, or the whole object.</param>
    /// <param name="objectLength">Bytes of the whole object.</param>
    /// <exception cref="CompressionException">There is no seek table, or one that cannot be of this object.</exception>
    public static int NeededLength(ReadOnlySpan<byte> end, long objectLength)
    {
        var (count, entry) = ReadFooter(end, objectLength);
        long table = TableLength(count, entry);
        return (int)Math.Min(objectLength, table + RecordLength(count - 1));
    }

    /// <summary>Reads the table, and our record where there is one.</summary>
    /// <param name="end">The last <see cref="NeededLength"/> bytes of the object, or more.</param>
    /// <param name="objectLength">Bytes of the whole object.</param>
    public static SeekTable Parse(ReadOnlySpan<byte> end, long objectLength)
    {
        var (count, entry) = ReadFooter(end, objectLength);
        int length = (int)TableLength(count, entry);
        if (length > end.Length)
            throw Broken($"it needs {length} bytes, {end.Length} are there", objectLength);
        var table = end[^length..];
        long begin = objectLength - length;
        uint magic = BinaryPrimitives.ReadUInt32LittleEndian(table);
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(table[4..]);
        if (magic != SeekableFormat.TableMagic || size != length - SeekableFormat.SkippableHeader)
            throw Broken($"its frame begins with {magic:x8} and {size}, expected {SeekableFormat.TableMagic:x8} and "
                + $"{length - SeekableFormat.SkippableHeader}", begin);
        var (stored, raw, hashes) = ReadEntries(table[SeekableFormat.SkippableHeader..^SeekableFormat.FooterLength], count, entry, begin);

        int data = count - 1;
        if (count == 0 || raw[count] != raw[data] || stored[count] - stored[data] != RecordLength(data))
            return new SeekTable(stored, raw, hashes, null, null);
        var record = end[^(int)(length + RecordLength(data))..^length];
        var (checksums, whole) = ReadRecord(record, data, raw[data], Checksum.Of(table), stored[data]);
        return new SeekTable(stored[..count], raw[..count], hashes, checksums, whole);
    }

    /// <summary>Whether an object ends as one with a table does.</summary>
    /// <param name="end">Its last bytes.</param>
    public static bool IsThere(ReadOnlySpan<byte> end) =>
        end.Length >= SeekableFormat.FooterLength && BinaryPrimitives.ReadUInt32LittleEndian(end[^4..]) == SeekableFormat.FooterMagic;

    static (int Count, int EntryLength) ReadFooter(ReadOnlySpan<byte> end, long objectLength)
    {
        if (!IsThere(end))
            throw new CompressionException(
                "it does not end with the seek table of zstd's seekable format: it is cut off, or another program compressed it; read it "
                + "with decompress=False, or unpack it with 'zstd -d'", objectLength);
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(end[^SeekableFormat.FooterLength..]);
        byte descriptor = end[^5];
        if ((descriptor & SeekableFormat.ReservedFlags) != 0)
            throw Broken($"its descriptor {descriptor:x2} has reserved bits set: damaged, or of a version newer than this library",
                objectLength - 5);
        if (count > SeekableFormat.MaxFrames)
            throw Broken($"it names {count} frames; at most {SeekableFormat.MaxFrames} are read",
                objectLength - SeekableFormat.FooterLength);
        int entry = (descriptor & SeekableFormat.ChecksumsFlag) != 0 ? 12 : 8;
        long length = TableLength((int)count, entry);
        if (length > objectLength)
            throw Broken($"with {count} frames it has {length} bytes, the object has {objectLength}",
                objectLength - SeekableFormat.FooterLength);
        return ((int)count, entry);
    }

    static (long[] Stored, long[] Raw, uint[]? Hashes) ReadEntries(ReadOnlySpan<byte> entries, int count, int entryLength, long begin)
    {
        var stored = new long[count + 1];
        var raw = new long[count + 1];
        var hashes = entryLength == 12 ? new uint[count] : null;
        for (int i = 0; i < count; i++)
        {
            var entry = entries.Slice(i * entryLength, entryLength);
            long packed = BinaryPrimitives.ReadUInt32LittleEndian(entry), plain = BinaryPrimitives.ReadUInt32LittleEndian(entry[4..]);
            long at = begin + SeekableFormat.SkippableHeader + ((long)i * entryLength);
            if (plain > SeekableFormat.MaxFrameLength)
                throw Broken($"frame {i} holds {plain} bytes; frames of at most {SeekableFormat.MaxFrameLength} are read; unpack the "
                    + "object with 'zstd -d'", at);
            // the record is the one frame that may be larger than its content asks for
            if (packed is 0 or > int.MaxValue || plain > packed * SeekableFormat.MaxRatio
                    || (plain > 0 && packed > SeekableFormat.Bound(plain)))
                throw Broken($"frame {i} cannot have {packed} bytes for {plain}", at);
            stored[i + 1] = stored[i] + packed;
            raw[i + 1] = raw[i] + plain;
            if (hashes is not null)
                hashes[i] = BinaryPrimitives.ReadUInt32LittleEndian(entry[8..]);
        }
        if (stored[count] != begin)
            throw Broken($"its frames have {stored[count]} bytes together, {begin} lie before it", begin);
        return (stored, raw, hashes);
    }

    static (uint[] Checksums, Checksum Whole) ReadRecord(ReadOnlySpan<byte> record, int count, long rawLength, Checksum table, long begin)
    {
        var sum = Checksum.Of(record[..^sizeof(uint)]);
        uint expected = BinaryPrimitives.ReadUInt32LittleEndian(record[^sizeof(uint)..]);
        if (BinaryPrimitives.ReadUInt32LittleEndian(record) != SeekableFormat.RecordMagic
                || !record[8..14].SequenceEqual(SeekableFormat.RecordName) || expected != sum.Value)
            throw new CompressionException(
                $"the record before the seek table: {new Checksum(expected)} recorded, {sum} found; the bytes are damaged", begin,
                isDamage: true);
        ushort version = BinaryPrimitives.ReadUInt16LittleEndian(record[14..]);
        if (version != SeekableFormat.RecordVersion)
            throw new CompressionException(
                $"the record before the seek table has version {version}, this library reads {SeekableFormat.RecordVersion}; update s3dlio",
                begin);
        var recorded = new Checksum(BinaryPrimitives.ReadUInt32LittleEndian(record[32..]));
        if (recorded != table)
            throw new CompressionException(
                $"the seek table: {recorded} recorded when it was written, {table} found; the bytes are damaged", begin + record.Length,
                isDamage: true);
        long length = BinaryPrimitives.ReadInt64LittleEndian(record[16..]);
        if (length != rawLength || BinaryPrimitives.ReadInt32LittleEndian(record[4..]) != record.Length - SeekableFormat.SkippableHeader)
            throw new CompressionException($"the record before the seek table is of {length} bytes, the frames hold {rawLength}", begin);
        var checksums = new uint[count];
        for (int i = 0; i < count; i++)
            checksums[i] = BinaryPrimitives.ReadUInt32LittleEndian(record[(SeekableFormat.RecordFixed + (i * sizeof(uint)))..]);
        return (checksums, new Checksum(BinaryPrimitives.ReadUInt32LittleEndian(record[24..])));
    }

    static long TableLength(int count, int entry) => SeekableFormat.SkippableHeader + ((long)count * entry) + SeekableFormat.FooterLength;

    static long RecordLength(int frames) => SeekableFormat.RecordFixed + (Math.Max(frames, 0) * (long)sizeof(uint)) + sizeof(uint);

    static CompressionException Broken(string how, long offset) => new($"the seek table is broken: {how}", offset);
}
