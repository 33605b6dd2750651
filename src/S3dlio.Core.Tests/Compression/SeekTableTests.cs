using System.Buffers.Binary;
using S3dlio.Compression;
using S3dlio.Hashing;
using Xunit;

namespace S3dlio.Tests.Compression;

public class SeekTableTests
{
    static readonly byte[] Raw = [.. SmallObject.Text(700, 1), .. SmallObject.Noise(300, 2)];

    static readonly byte[] Stored = SmallObject.Make(Raw, 400);

    [Fact]
    public void Parse_OwnObject_KnowsItAll()
    {
        var table = SeekTable.Parse(Stored, Stored.Length);
        Assert.Equal(3, table.Count);
        Assert.Equal(Raw.Length, table.RawLength);
        Assert.Equal(Checksum.Of(Raw), table.Raw);
        Assert.Equal([0, 0, 1, 1, 2, 2], new long[] { 0, 399, 400, 799, 800, 999 }.Select(table.Find));
    }

    [Fact]
    public void Parse_EmptyObject_HasNoFrames()
    {
        var stored = SmallObject.Make([], 400);
        var table = SeekTable.Parse(stored, stored.Length);
        Assert.Equal((0, 0L, Checksum.Empty), (table.Count, table.RawLength, table.Raw));
    }

    [Fact]
    public void Read_AnyBitFlipped_IsDetected()
    {
        var copy = Stored.ToArray();
        for (int bit = 0; bit < copy.Length * 8; bit++)
        {
            copy[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Throws<CompressionException>(() => SmallObject.Read(copy));
            copy[bit / 8] ^= (byte)(1 << (bit % 8));
        }
        Assert.Equal(Raw, SmallObject.Read(copy));
    }

    [Fact]
    public void Read_CutOffAnywhere_IsDetected()
    {
        for (int length = 0; length < Stored.Length; length++)
        {
            Assert.Throws<CompressionException>(() => SmallObject.Read(Stored.AsSpan(0, length)));
            Assert.Throws<CompressionException>(() => SmallObject.Read(Stored.AsSpan(Stored.Length - length)));
        }
    }

    [Fact]
    public void Read_FramesExchanged_IsDetected()
    {
        // two frames of one length, so that the table fits both ways; where the same hash is forged too, the record's is not
        var half = SmallObject.Noise(200, 3);
        var stored = SmallObject.Make([.. half, .. SmallObject.Noise(200, 4)], 200);
        var table = SeekTable.Parse(stored, stored.Length);
        int length = table.StoredLength(0);
        Assert.Equal(length, table.StoredLength(1));
        byte[] swapped = [.. stored.AsSpan(length, length), .. stored.AsSpan(0, length), .. stored.AsSpan(2 * length)];
        Assert.True(Assert.Throws<CompressionException>(() => SmallObject.Read(swapped)).IsDamage);
    }

    [Theory]
    [InlineData("more frames than the object has bytes", 100, 0, 10u, 10u)]
    [InlineData("more frames than any object may have", 5_000_000, 0, 10u, 10u)]
    [InlineData("a frame larger than is read", 1, 0, 20u, 200u << 20)]
    [InlineData("a frame that claims more than zstd can pack into it", 1, 0, 20u, (20u << 15) + 1)]
    [InlineData("an empty frame of no bytes", 1, 0, 0u, 0u)]
    [InlineData("frames that do not fill the object", 1, 0, 19u, 10u)]
    [InlineData("reserved bits", 1, 0x40, 20u, 10u)]
    [InlineData("a frame padded beyond reason", 1, 0, 20_000u, 1u)]
    public void Parse_LyingTable_IsRefused(string lie, int count, byte descriptor, uint stored, uint raw)
    {
        Assert.NotEmpty(lie);
        var end = Foreign(new byte[stored == 19 ? 20 : Math.Min(stored, 20_000)], count, descriptor, stored, raw);
        Assert.Throws<CompressionException>(() =>
        {
            int needed = SeekTable.NeededLength(end, end.Length);
            return SeekTable.Parse(end.AsSpan(end.Length - needed), end.Length);
        });
    }

    [Fact]
    public void Parse_NewerRecord_SaysSo()
    {
        var copy = Stored.ToArray();
        int record = Record(copy);
        BinaryPrimitives.WriteUInt16LittleEndian(copy.AsSpan(record + 14), 2);
        Seal(copy, record);
        Assert.Contains(
            "update s3dlio", Assert.Throws<CompressionException>(() => SmallObject.Read(copy)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Decode_ForeignObjectWithChecksums_IsCheckedByThem()
    {
        var raw = SmallObject.Text(5000, 9);
        using var encoder = new FrameEncoder(3);
        var (info, frame) = SmallObject.Encode(encoder, raw);
        var stored = Foreign(frame, 1, 0x80, (uint)info.StoredLength, (uint)raw.Length, info.XxHash);
        Assert.Equal(raw, SmallObject.Read(stored));
        var table = SeekTable.Parse(stored, stored.Length);
        Assert.Null(table.Raw);
        for (int i = 0; i < info.StoredLength; i++)
        {
            var copy = stored.ToArray();
            copy[i] ^= 0x55;
            byte[]? read = null;
            try
            {
                read = SmallObject.Read(copy);
            }
            catch (CompressionException)
            {
                continue;
            }
            // a bit that the format ignores may pass; wrong bytes may not
            Assert.Equal(raw, read);
        }
        BinaryPrimitives.WriteUInt32LittleEndian(stored.AsSpan(stored.Length - 9 - 4), info.XxHash + 1);
        Assert.True(Assert.Throws<CompressionException>(() => SmallObject.Read(stored)).IsDamage);
    }

    [Fact]
    public void Decode_FrameThatHoldsMoreThanPromised_IsRefused()
    {
        var raw = SmallObject.Text(5000, 9);
        using var encoder = new FrameEncoder(3);
        var (info, frame) = SmallObject.Encode(encoder, raw);
        foreach (uint lie in (uint[])[4999, 5001, 1])
        {
            var stored = Foreign(frame, 1, 0, (uint)info.StoredLength, lie);
            Assert.Throws<CompressionException>(() => SmallObject.Read(stored));
        }
    }

    [Fact]
    public void Parse_RandomEnds_NeverFailOtherwise()
    {
        var random = new Random(11);
        for (int i = 0; i < 20_000; i++)
        {
            var copy = Stored.ToArray();
            int begin = Record(copy);
            for (int n = random.Next(1, 6); n > 0; n--)
                copy[random.Next(begin, copy.Length)] = (byte)random.Next(256);
            if (random.Next(2) == 0)
                BinaryPrimitives.WriteUInt32LittleEndian(copy.AsSpan(copy.Length - 4), 0x8F92EAB1);
            if (copy.AsSpan().SequenceEqual(Stored))
                continue;
            Assert.Throws<CompressionException>(() => SmallObject.Read(copy));
        }
    }

    static int Record(byte[] stored) =>
        (int)SeekTable.Parse(stored, stored.Length).StoredOffset(2) + SeekTable.Parse(stored, stored.Length).StoredLength(2);

    static void Seal(byte[] stored, int record)
    {
        int end = record + 8 + BinaryPrimitives.ReadInt32LittleEndian(stored.AsSpan(record + 4)) - 4;
        BinaryPrimitives.WriteUInt32LittleEndian(stored.AsSpan(end), Checksum.Of(stored.AsSpan(record, end - record)).Value);
    }

    /// <summary>What another program may have written: frames and a seek table, nothing of ours.</summary>
    static byte[] Foreign(ReadOnlySpan<byte> frames, int count, byte descriptor, uint stored, uint raw, uint? hash = null)
    {
        int entry = hash is null ? 8 : 12, written = Math.Min(count, 4);
        var end = new byte[frames.Length + 8 + (written * entry) + 9];
        frames.CopyTo(end);
        var at = end.AsSpan(frames.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(at, 0x184D2A5E);
        BinaryPrimitives.WriteInt32LittleEndian(at[4..], (count * entry) + 9);
        for (int i = 0; i < written; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(at[(8 + (i * entry))..], stored);
            BinaryPrimitives.WriteUInt32LittleEndian(at[(12 + (i * entry))..], raw);
            if (hash is { } value)
                BinaryPrimitives.WriteUInt32LittleEndian(at[(16 + (i * entry))..], value);
        }
        BinaryPrimitives.WriteInt32LittleEndian(at[^9..], count);
        at[^5] = descriptor;
        BinaryPrimitives.WriteUInt32LittleEndian(at[^4..], 0x8F92EAB1);
        return end;
    }
}
