using System.Buffers.Binary;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Log;
using S3dlio.Segments;

namespace S3dlio.Fuzz.Targets;

/// <summary>What the files of logs have in common.</summary>
abstract class LogFileTarget : Target
{
    protected const string Path = "/log/file";

    protected static SegmentHeader Header { get; } = new()
    {
        Store = new Guid("00010203-0405-0607-0809-0a0b0c0d0e0f"),
        Number = 1,
        FirstRecord = 7,
        BaseAddress = 1 << 16,
        Created = 1_700_000_000_000_000_000,
        Alignment = 8,
        RecordSize = 0,
        PreviousFooter = 5,
        Json = "{}",
    };

    public override bool Documents(Exception fault) => fault is SegmentException;

    protected static void Sign(Span<byte> bytes, int at, uint seed = 0) =>
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[at..], Crc32C.Append(seed, bytes[..at]));
}

/// <summary>The first block of a segment.</summary>
sealed class SegmentHeaderTarget : LogFileTarget
{
    public override string Name => "segment-header";

    public override IEnumerable<byte[]> Seeds =>
        [Header.ToBytes(), (Header with { Features = SegmentHeader.PackedFrames, RecordSize = 8, Json = new string('x', 2048) }).ToBytes()];

    public override byte[] Repair(byte[] input)
    {
        if (input.Length < SegmentHeader.Length)
            return input;
        byte[] whole = input[..SegmentHeader.Length];
        "S3DLSEG1"u8.CopyTo(whole);
        Sign(whole, SegmentHeader.Length - 4);
        return whole;
    }

    public override string Run(byte[] input)
    {
        var header = SegmentHeader.Parse(input, Path);
        Must(header is { FirstRecord: >= 0, Number: >= 0, BaseAddress: >= 0, RecordSize: >= 0, Alignment: >= 8 }, "numbers are in range");
        Must((header.Alignment & (header.Alignment - 1)) == 0, "frames begin at multiples of a power of two");
        Must((header.Features & ~SegmentHeader.KnownFeatures) == 0, "nothing unknown is needed");
        return $"{header.Features} {header.RecordSize > 0} {header.Json.Length > 0}";
    }
}

/// <summary>A whole segment: frames, tables, records and footer, as recovery and the reader of footers go through them.</summary>
sealed class SegmentTarget : LogFileTarget
{
    public override string Name => "segment";

    public override IEnumerable<byte[]> Seeds => [Made(0, false), Made(1, false), Made(3, false), Made(3, true)];

    public override long Allowance(int length) => (4 << 20) + (128L * length);

    /// <summary>Frames that say that they stand where they do, with checksums that are right, one behind the other.</summary>
    public override byte[] Repair(byte[] input)
    {
        byte[] whole = input.Length < SegmentHeader.Length ? Made(1, true) : [.. input];
        Header.ToBytes().CopyTo(whole, 0);
        for (int at = SegmentHeader.Length; at + FrameHeader.Length <= whole.Length;)
        {
            var frame = whole.AsSpan(at);
            frame[4] = (byte)(((uint)frame[4] + 3) % 4 + 1);
            bool hasTable = (FrameType)frame[4] is FrameType.Data or FrameType.Packed;
            int room = frame.Length - FrameHeader.Length;
            int count = hasTable ? 1 + (frame[36] % Math.Max(1, room / 64 + 1)) : frame[36] % 4;
            int table = hasTable ? Math.Min(count * FrameHeader.EntryLength, room) : 0;
            int payload = Math.Min(BinaryPrimitives.ReadUInt16LittleEndian(frame[32..]), room - table);
            // a packed frame gets memory for what its table promises, up to a frame's limit, whatever its length: kept short here
            if ((FrameType)frame[4] == FrameType.Packed)
            {
                for (int end = FrameHeader.Length; end + 4 <= FrameHeader.Length + table; end += FrameHeader.EntryLength)
                    (frame[end + 2], frame[end + 3]) = ((byte)(frame[end + 2] & 1), 0);
            }
            if ((FrameType)frame[4] == FrameType.Footer)
                payload = (count * SegmentFooter.EntryLength) + SegmentFooter.SummaryLength;
            BinaryPrimitives.WriteInt64LittleEndian(frame[8..], Header.BaseAddress + at);
            BinaryPrimitives.WriteInt32LittleEndian(frame[32..], payload);
            BinaryPrimitives.WriteInt32LittleEndian(frame[36..], count);
            BinaryPrimitives.WriteInt32LittleEndian(frame[40..], table);
            var signed = frame.Slice(FrameHeader.Length, Math.Min(room, hasTable ? table : payload));
            BinaryPrimitives.WriteUInt32LittleEndian(frame[44..], Crc32C.Compute(signed));
            BinaryPrimitives.WriteUInt32LittleEndian(frame, Crc32C.Append(Header.Seed, frame[4..FrameHeader.Length]));
            at += (int)FrameHeader.Padded(FrameHeader.Length + table + payload, Header.Alignment);
        }
        return whole;
    }

    public override string Run(byte[] input)
    {
        using var file = new BytesFile(input, Path);
        var header = SegmentHeader.Parse(input.AsSpan(0, Math.Min(input.Length, SegmentHeader.Length)), Path);
        var found = SegmentRecovery.Run(
            file, header, SegmentHeader.Length, header.FirstRecord, 0, new DurableProof(header.BaseAddress, header.FirstRecord),
            long.MaxValue, skip: true);
        Must(found.Tail >= SegmentHeader.Length && found.Tail <= Math.Max(input.Length, SegmentHeader.Length) + header.Alignment,
            "the end lies in the file");
        Must(found.EndRecord >= header.FirstRecord, "numbers do not fall");
        long before = -1;
        for (int i = 0; i < found.Index.Count; i++)
        {
            var (first, offset) = found.Index[i];
            Must(offset > before && offset + FrameHeader.Length <= input.Length && first >= header.FirstRecord, "frames are in order");
            before = offset;
        }
        var index = SegmentFile.ReadFooter(file, header, out var footer);
        Must(index is null == footer is null, "a footer has its index");
        return $"{Math.Min(found.Index.Count, 4)} {found.IsSealed} {found.Damage.Count > 0} {found.DamagedRecords.Count > 0} "
            + $"{index is null}";
    }

    static byte[] Made(int frames, bool isSealed)
    {
        var (bytes, index, record) = (new List<byte>(Header.ToBytes()), new FrameIndex(), Header.FirstRecord);
        for (int i = 0; i < frames; i++)
        {
            var builder = new FrameBuilder(4096);
            for (int k = 0; k <= i; k++)
                builder.Add(Bytes($"record {record + k}"));
            var frame = Like(bytes.Count, record) with
            {
                Count = builder.Count,
                PayloadLength = (uint)builder.PayloadLength,
                TableChecksum = builder.TableChecksum(),
            };
            index.Add(record, bytes.Count);
            frame.Write(builder.Head.Span, Header.Seed);
            var whole = new byte[frame.FrameLength(Header.Alignment)];
            builder.Head.CopyTo(whole);
            builder.Payload.CopyTo(whole.AsMemory(builder.Head.Length));
            bytes.AddRange(whole);
            record += builder.Count;
        }
        if (isSealed)
        {
            var footer = new SegmentFooter
            {
                Offset = bytes.Count,
                FirstRecord = Header.FirstRecord,
                EndRecord = record,
                FirstTime = 1,
                LastTime = 2,
                BodyChecksum = Crc32C.Compute(bytes.ToArray()),
            };
            bytes.AddRange(footer.ToBytes(index, Like(bytes.Count, record), Header.Seed));
        }
        return [.. bytes];
    }

    static FrameHeader Like(int offset, long record) => new()
    {
        Type = FrameType.Data,
        Address = Header.BaseAddress + offset,
        FirstRecord = record,
        SyncedTo = Header.BaseAddress + SegmentHeader.Length,
        Epoch = 1,
        Time = 1,
    };
}

/// <summary>META: two slots, and what the newer one says.</summary>
sealed class LogMetaTarget : LogFileTarget
{
    static readonly LogMeta Meta = new()
    {
        Store = Header.Store,
        Begin = 7,
        BeginSegment = 7,
        BeginOffset = SegmentHeader.Length,
        NewestSegment = 7,
        EndRecord = 9,
        EndAddress = 1 << 20,
        Epoch = 2,
        SegmentSize = 64 << 20,
        IsClean = true,
        Alignment = 8,
        RecordSize = 0,
        Schema = "{}",
    };

    public override string Name => "log-meta";

    public override IEnumerable<byte[]> Seeds => [TwoSlots.ToBytes(Meta.ToBytes()), TwoSlots.ToBytes([])];

    public override bool Documents(Exception fault) => fault is SegmentException;

    public override byte[] Repair(byte[] input)
    {
        byte[] whole = [.. input];
        for (int at = 0; at + TwoSlots.SlotLength <= whole.Length && at <= TwoSlots.SlotLength; at += TwoSlots.SlotLength)
        {
            var slot = whole.AsSpan(at, TwoSlots.SlotLength);
            "S3DLSLOT"u8.CopyTo(slot);
            slot[8] = (byte)((slot[8] & ~1) | (at / TwoSlots.SlotLength));
            slot[15] = 0;
            slot[18..20].Clear();
            Sign(slot, TwoSlots.SlotLength - 4);
        }
        return whole;
    }

    public override string Run(byte[] input)
    {
        if (TwoSlots.Read(input) is not { } slot)
            return "no slot is whole";
        Must(slot.Content.Length <= TwoSlots.MostContent && slot.Generation >= 0, "content lies in its slot");
        var meta = LogMeta.Parse(slot.Content, Path);
        Must(meta.Begin >= meta.BeginSegment && meta.BeginOffset >= SegmentHeader.Length && meta.Epoch >= 0, "numbers are in range");
        Must(LogMeta.Parse(meta.ToBytes(), Path) == meta || meta.Schema.Contains('\ufffd', StringComparison.Ordinal),
            "what is written again reads the same");
        return $"{meta.IsClean} {meta.Schema.Length > 0} {slot.Generation % 2}";
    }
}

/// <summary>TAIL, which readers may find in the middle of a write.</summary>
sealed class LogTailTarget : LogFileTarget
{
    public override string Name => "log-tail";

    public override IEnumerable<byte[]> Seeds
    {
        get
        {
            var bytes = new byte[LogTail.Length];
            new LogTail(1, 2, 3, 4, 5, 6, LogTail.Closed).ToBytes(bytes, Header.Seed);
            return [bytes];
        }
    }

    public override byte[] Repair(byte[] input)
    {
        if (input.Length < LogTail.Length)
            return input;
        byte[] whole = input[..LogTail.Length];
        "S3DLTAIL"u8.CopyTo(whole);
        Sign(whole, LogTail.Length - 4, Header.Seed);
        return whole;
    }

    public override string Run(byte[] input)
    {
        if (LogTail.Read(input, Header.Seed) is not { } tail)
            return "not whole";
        Must(tail.EndRecord >= tail.Begin && tail is { Begin: >= 0, EndAddress: >= 0, NewestSegment: >= 0 }, "numbers are in range");
        return $"{tail.Flags & 3} {tail.EndRecord > tail.Begin}";
    }
}

/// <summary>A file that is only read.</summary>
sealed class BytesFile(byte[] bytes, string path) : DiskFile
{
    public override string Path => path;

    public override long Length => bytes.Length;

    public override long AllocatedLength => bytes.Length;

    public override int Read(Span<byte> buffer, long offset)
    {
        int count = (int)Math.Clamp(bytes.Length - offset, 0, buffer.Length);
        bytes.AsSpan((int)Math.Min(offset, bytes.Length), count).CopyTo(buffer);
        return count;
    }

    public override void Write(ReadOnlySpan<byte> data, long offset) => throw new NotSupportedException();

    public override void Write(IReadOnlyList<ReadOnlyMemory<byte>> pieces, long offset) => throw new NotSupportedException();

    public override void Flush() => throw new NotSupportedException();

    public override void Allocate(long length) => throw new NotSupportedException();

    public override void PunchHole(long offset, long length) => throw new NotSupportedException();

    public override void SetLength(long length) => throw new NotSupportedException();

    public override void Dispose()
    {
        // nothing is held
    }
}
