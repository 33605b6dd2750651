using System.Buffers.Binary;
using S3dlio.Hashing;

namespace S3dlio.Compression;

/// <summary>Collects what was written and makes what ends a compressed object: our record and the seek table.</summary>
public sealed class SeekTableBuilder
{
    const int EntryLength = 12;

    readonly List<FrameInfo> _frames = [];

    /// <summary>Bytes of all frames so far.</summary>
    public long StoredLength { get; private set; }

    public long RawLength { get; private set; }

    /// <summary>CRC32C of the raw bytes so far.</summary>
    public Checksum Raw { get; private set; } = Checksum.Empty;

    /// <exception cref="CompressionException">There are more frames than any reader takes.</exception>
    public void Add(FrameInfo frame)
    {
        if (_frames.Count == SeekableFormat.MaxFrames - 1)
            throw new CompressionException(
                $"a compressed object holds at most {SeekableFormat.MaxFrames} frames, {RawLength} bytes; write it in parts or without "
                + "compression");
        _frames.Add(frame);
        StoredLength += frame.StoredLength;
        RawLength += frame.RawLength;
        Raw = Checksum.Combine(Raw, frame.Raw, frame.RawLength);
    }

    public byte[] Finish()
    {
        int record = SeekableFormat.RecordFixed + (_frames.Count * sizeof(uint)) + sizeof(uint);
        int entries = _frames.Count + 1;
        int table = SeekableFormat.SkippableHeader + (entries * EntryLength) + SeekableFormat.FooterLength;
        var end = new byte[record + table];
        WriteTable(end.AsSpan(record), record);
        WriteRecord(end.AsSpan(0, record), Checksum.Of(end.AsSpan(record)));
        return end;
    }

    void WriteTable(Span<byte> at, int recordLength)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(at, SeekableFormat.TableMagic);
        BinaryPrimitives.WriteInt32LittleEndian(at[4..], at.Length - SeekableFormat.SkippableHeader);
        var entry = at[SeekableFormat.SkippableHeader..];
        foreach (var frame in _frames)
        {
            Write(entry, frame.StoredLength, frame.RawLength, frame.XxHash);
            entry = entry[EntryLength..];
        }
        // the record is a frame without content
        Write(entry, recordLength, 0, (uint)XxHash64.Compute([]));
        var footer = entry[EntryLength..];
        BinaryPrimitives.WriteInt32LittleEndian(footer, _frames.Count + 1);
        footer[4] = SeekableFormat.ChecksumsFlag;
        BinaryPrimitives.WriteUInt32LittleEndian(footer[5..], SeekableFormat.FooterMagic);

        static void Write(Span<byte> entry, int stored, int raw, uint hash)
        {
            BinaryPrimitives.WriteInt32LittleEndian(entry, stored);
            BinaryPrimitives.WriteInt32LittleEndian(entry[4..], raw);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], hash);
        }
    }

    void WriteRecord(Span<byte> at, Checksum table)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(at, SeekableFormat.RecordMagic);
        BinaryPrimitives.WriteInt32LittleEndian(at[4..], at.Length - SeekableFormat.SkippableHeader);
        SeekableFormat.RecordName.CopyTo(at[8..]);
        BinaryPrimitives.WriteUInt16LittleEndian(at[14..], SeekableFormat.RecordVersion);
        BinaryPrimitives.WriteInt64LittleEndian(at[16..], RawLength);
        BinaryPrimitives.WriteUInt32LittleEndian(at[24..], Raw.Value);
        BinaryPrimitives.WriteInt32LittleEndian(at[28..], SeekableFormat.FrameLength);
        BinaryPrimitives.WriteUInt32LittleEndian(at[32..], table.Value);
        var checksum = at[SeekableFormat.RecordFixed..];
        foreach (var frame in _frames)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(checksum, frame.Stored.Value);
            checksum = checksum[sizeof(uint)..];
        }
        BinaryPrimitives.WriteUInt32LittleEndian(checksum, Checksum.Of(at[..^sizeof(uint)]).Value);
    }
}
