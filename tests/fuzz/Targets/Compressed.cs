using System.Buffers.Binary;
using System.Text;
using S3dlio.Compression;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Fuzz.Targets;

/// <summary>Compressed objects, and the ends of them.</summary>
static class CompressedBytes
{
    public static IEnumerable<byte[]> Seeds { get; } =
    [
        Make(1, 10), Make(3, 50), Make(4, 0), Make(2, 3000), WithoutRecord(Make(3, 50)),
    ];

    /// <summary>Makes the table's own numbers and the record's checksums fit what lies before them.</summary>
    public static byte[] Repair(byte[] input)
    {
        if (input.Length < SeekableFormat.FooterLength + SeekableFormat.SkippableHeader)
            return input;
        byte[] whole = [.. input];
        var end = whole.AsSpan();
        BinaryPrimitives.WriteUInt32LittleEndian(end[^4..], SeekableFormat.FooterMagic);
        end[^5] &= SeekableFormat.ChecksumsFlag;
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(end[^SeekableFormat.FooterLength..]);
        int entry = (end[^5] & SeekableFormat.ChecksumsFlag) != 0 ? 12 : 8;
        long length = SeekableFormat.SkippableHeader + (count * (long)entry) + SeekableFormat.FooterLength;
        if (count == 0 || length > whole.Length)
            return whole;
        var table = end[^(int)length..];
        BinaryPrimitives.WriteUInt32LittleEndian(table, SeekableFormat.TableMagic);
        BinaryPrimitives.WriteUInt32LittleEndian(table[4..], (uint)(length - SeekableFormat.SkippableHeader));
        RepairRecord(end[..^(int)length], table, (int)count - 1);
        return whole;
    }

    /// <summary>Bytes of the object that the table's entries speak of.</summary>
    public static long? Promised(ReadOnlySpan<byte> end)
    {
        if (end.Length < SeekableFormat.FooterLength)
            return null;
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(end[^SeekableFormat.FooterLength..]);
        int entry = (end[^5] & SeekableFormat.ChecksumsFlag) != 0 ? 12 : 8;
        long table = SeekableFormat.SkippableHeader + (count * (long)entry) + SeekableFormat.FooterLength;
        if (table > end.Length)
            return null;
        long size = table;
        for (int i = 0; i < count; i++)
            size += BinaryPrimitives.ReadUInt32LittleEndian(end[^(int)table..][(SeekableFormat.SkippableHeader + (i * entry))..]);
        return size;
    }

    static void RepairRecord(Span<byte> before, Span<byte> table, int frames)
    {
        long length = SeekableFormat.RecordFixed + (frames * (long)sizeof(uint)) + sizeof(uint);
        if (length > before.Length)
            return;
        var record = before[^(int)length..];
        BinaryPrimitives.WriteUInt32LittleEndian(record[32..], Checksum.Of(table).Value);
        BinaryPrimitives.WriteUInt32LittleEndian(record[^sizeof(uint)..], Checksum.Of(record[..^sizeof(uint)]).Value);
    }

    static byte[] Make(int frames, int frameLength)
    {
        using var encoder = new FrameEncoder(3);
        var table = new SeekTableBuilder();
        var stream = new MemoryStream();
        for (int i = 0; i < frames; i++)
        {
            var info = encoder.Encode(
                Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat($"frame {i} ", frameLength))).AsMemory(0, frameLength));
            foreach (var piece in encoder.Frame)
                stream.Write(piece.Span);
            table.Add(info);
        }
        stream.Write(table.Finish());
        return stream.ToArray();
    }

    /// <summary>As another program writes it: a table of 8 bytes for each frame, nothing of ours.</summary>
    static byte[] WithoutRecord(byte[] ours)
    {
        var table = SeekTable.Parse(ours, ours.Length);
        var stream = new MemoryStream();
        stream.Write(ours, 0, (int)table.StoredOffset(table.Count));
        var words = new List<uint> { SeekableFormat.TableMagic, (uint)((table.Count * 8) + SeekableFormat.FooterLength) };
        for (int i = 0; i < table.Count; i++)
            words.AddRange([(uint)table.StoredLength(i), (uint)table.FrameRawLength(i)]);
        words.Add((uint)table.Count);
        Span<byte> word = stackalloc byte[4];
        foreach (uint value in words)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(word, value);
            stream.Write(word);
        }
        stream.WriteByte(0);
        BinaryPrimitives.WriteUInt32LittleEndian(word, SeekableFormat.FooterMagic);
        stream.Write(word);
        return stream.ToArray();
    }
}

/// <summary>The seek table alone, of an object that may be far larger than what is at hand: its size stands in the first 8 bytes.</summary>
sealed class SeekTableTarget : Target
{
    public override string Name => "seek-table";

    public override IEnumerable<byte[]> Seeds =>
        CompressedBytes.Seeds.Select(bytes => (byte[])[.. BitConverter.GetBytes((long)bytes.Length), .. bytes]);

    public override byte[] Repair(byte[] input)
    {
        if (input.Length < 8)
            return input;
        byte[] end = CompressedBytes.Repair(input[8..]);
        return [.. BitConverter.GetBytes(CompressedBytes.Promised(end) ?? BitConverter.ToInt64(input)), .. end];
    }

    public override bool Documents(Exception fault) => fault is CompressionException;

    public override string Run(byte[] input)
    {
        if (input.Length < 8)
            return "no size";
        byte[] end = input[8..];
        long size = Math.Max(end.Length, BitConverter.ToInt64(input) & long.MaxValue);
        int needed = SeekTable.NeededLength(end, size);
        Must(needed > 0 && needed <= size, "what is needed lies within the object");
        if (needed > end.Length)
            return "more is needed";
        var table = SeekTable.Parse(end, size);
        for (int i = 0; i < table.Count; i++)
        {
            Must(table.StoredLength(i) > 0 && table.FrameRawLength(i) >= 0 && table.FrameRawLength(i) <= SeekableFormat.MaxFrameLength,
                $"frame {i} has lengths in range");
            Must(table.FrameRawLength(i) == 0 || table.Find(table.RawOffset(i)) == i, $"the first byte of frame {i} is found in it");
        }
        Must(table.StoredOffset(table.Count) <= size && table.RawLength >= 0, "the frames lie within the object");
        return $"{Math.Min(5, table.Count)} frames, ours {table.Raw is not null}";
    }
}

/// <summary>A whole compressed object, opened, read at some places and as a whole.</summary>
sealed class CompressedReaderTarget : Target
{
    public override string Name => "compressed";

    public override IEnumerable<byte[]> Seeds => CompressedBytes.Seeds;

    public override byte[] Repair(byte[] input) => CompressedBytes.Repair(input);

    public override bool Documents(Exception fault) =>
        fault is StoreException { Kind: ErrorKind.InvalidData or ErrorKind.ChecksumMismatch };

    // the frames that a read touches, each once in the reader's memory, which the table's word is believed for up to the ratio that zstd
    // can reach
    public override long Allowance(int length) => (1 << 20) + (3L * SeekableFormat.MaxRatio * Math.Min(length, 4096)) + (64L * length);

    public override string Run(byte[] input)
    {
        var reader = Wait(CompressedReader.OpenAsync(new MemoryReaderOf(input), "memory://fuzz/x.zst", CancellationToken.None));
        if (reader is SequentialReader stream)
            return Stream(stream);
        long size = reader.Meta.Size;
        if (size > 1 << 20)
            return "large";
        byte[] whole = new byte[size];
        Wait(reader.ReadAsync(0, whole, CancellationToken.None));
        foreach (long at in (long[])[0, size / 3, Math.Max(0, size - 2)])
        {
            byte[] part = new byte[Math.Min(2, size - at)];
            Wait(reader.ReadAsync(at, part, CancellationToken.None));
            Must(part.AsSpan().SequenceEqual(whole.AsSpan((int)at, part.Length)), "a part is a part of the whole");
        }
        Must(reader.Meta.Checksum is not { } checksum || input.Length == 0 || checksum.ToString().Length > 0, "its checksum is one");
        return $"size {(size == 0 ? 0 : size < 100 ? 1 : 2)}, ours {reader.Meta.Checksum is not null}";
    }

    /// <summary>One without a table: from the front, and from there once more.</summary>
    static string Stream(SequentialReader reader)
    {
        byte[] begin = new byte[64 << 10];
        int count = Wait(reader.ReadSomeAsync(0, begin, CancellationToken.None));
        Must(reader.Meta.Size == SequentialReader.UnknownSize || reader.Meta.Size >= count, "what was read is part of it");
        byte[] part = new byte[2];
        int found = Wait(reader.ReadSomeAsync(count / 3, part, CancellationToken.None));
        Must(found == Math.Min(2, count - (count / 3)) && part.AsSpan(0, found).SequenceEqual(begin.AsSpan(count / 3, found)),
            "a part is a part of the whole");
        return $"stream {(count == 0 ? 0 : count < begin.Length ? 1 : 2)}, at its end {reader.Meta.Size >= 0}";
    }

    static T Wait<T>(ValueTask<T> task)
    {
        Must(task.IsCompleted, "nothing has to be waited for");
        return task.GetAwaiter().GetResult();
    }

    static void Wait(ValueTask task)
    {
        Must(task.IsCompleted, "nothing has to be waited for");
        task.GetAwaiter().GetResult();
    }

    sealed class MemoryReaderOf(byte[] bytes) : ObjectReader
    {
        public override ObjectMeta Meta { get; } = new() { Key = "x.zst", Size = bytes.Length, LastModified = default };

        public override TransferHints Hints => new(1 << 20, 1);

        public override ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
        {
            // a store refuses such a read; whoever asks for it has believed something that is not true
            Must(offset >= 0 && offset <= bytes.Length - destination.Length,
                $"bytes {offset} to {offset + destination.Length} lie within the {bytes.Length} of the object");
            bytes.AsMemory((int)offset, destination.Length).CopyTo(destination);
            return ValueTask.CompletedTask;
        }

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
