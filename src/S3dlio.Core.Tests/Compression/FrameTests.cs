using System.Runtime.InteropServices;
using S3dlio.Compression;
using S3dlio.Hashing;
using Xunit;

namespace S3dlio.Tests.Compression;

public class FrameTests
{
    public static TheoryData<int> Lengths =>
        [0, 1, 7, 31, 32, 33, 4095, 4096, 4097, (64 << 10) - 1, 64 << 10, 128 << 10, (128 << 10) + 1, (1 << 20) + 13,
            SeekableFormat.FrameLength];

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Encode_TextAndNoise_DecodesWithItsChecksums(int length)
    {
        using var encoder = new FrameEncoder(3);
        foreach (var raw in (byte[][])[SmallObject.Text(length, length), SmallObject.Noise(length, length), new byte[length]])
        {
            var (info, frame) = SmallObject.Encode(encoder, raw);
            Assert.Equal(raw, OneShot(frame, length));
            Assert.Equal(frame.Length, info.StoredLength);
            Assert.Equal(Checksum.Of(raw), info.Raw);
            Assert.Equal(Checksum.Of(frame), info.Stored);
            Assert.Equal((uint)XxHash64.Compute(raw), info.XxHash);
        }
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void RawFrame_AnyLength_IsReadByLibzstd(int length)
    {
        var raw = SmallObject.Noise(length, length + 1);
        var (info, frame) = Mark(raw);
        Assert.Equal(RawFrame.Length(length), frame.Length);
        Assert.Equal(new FrameInfo(frame.Length, length, (uint)XxHash64.Compute(raw), Checksum.Of(frame), Checksum.Of(raw)), info);
        Assert.Equal(raw, OneShot(frame, length));
    }

    /// <summary>Lengths around every boundary of blocks and of what is hashed at once, each read back by libzstd.</summary>
    [Fact]
    public void RawFrame_ManyLengths_AreReadByLibzstd()
    {
        var random = new Random(7);
        var noise = SmallObject.Noise(600_000, 8);
        int[] boundaries = [32, 16 << 10, 32 << 10, 128 << 10, 256 << 10, 512 << 10];
        for (int i = 0; i < 400; i++)
        {
            int length = i % 2 == 0 ? random.Next(noise.Length) : boundaries[random.Next(boundaries.Length)] + random.Next(-34, 35);
            var raw = noise.AsMemory(random.Next(noise.Length - Math.Max(0, length) + 1), Math.Max(0, length));
            var (info, frame) = Mark(raw);
            Assert.True(raw.Span.SequenceEqual(OneShot(frame, raw.Length)), $"{raw.Length} bytes");
            Assert.Equal(new FrameInfo(
                    frame.Length, raw.Length, (uint)XxHash64.Compute(raw.Span), Checksum.Of(frame), Checksum.Of(raw.Span)), info);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(19)]
    [InlineData(22)]
    public void Encode_EveryKindOfLevel_RoundTrips(int level)
    {
        var raw = SmallObject.Text(300_000, level);
        var stored = SmallObject.Make(raw, 100_000, level);
        Assert.True(stored.Length < raw.Length / 2);
        Assert.Equal(raw, SmallObject.Read(stored));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(23)]
    [InlineData(-1)]
    public void Encoder_LevelOutsideTheRange_IsRefused(int level) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new FrameEncoder(level));

    [Fact]
    public void Encode_FloatsOfNoise_AreStoredAsTheyAre()
    {
        var random = new Random(5);
        var normal = Enumerable.Range(0, 1 << 18).Select(
            _ => (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()))).ToArray();
        var even = Enumerable.Range(0, 1 << 18).Select(_ => random.NextSingle()).ToArray();
        var raw = MemoryMarshal.AsBytes<float>(even).ToArray();
        StoredAsTheyAre(raw);
        raw = MemoryMarshal.AsBytes<float>(normal).ToArray();
        StoredAsTheyAre(raw);
        // the upper halves, as in bfloat16, are worth it
        var halves = Enumerable.Range(0, raw.Length / 2).Select(i => raw[(i / 2 * 4) + 2 + (i % 2)]).ToArray();
        using var quick = new FrameEncoder(3);
        Assert.True(quick.Encode(halves).StoredLength < halves.Length * 0.85);
        // who asks for a high level wants the few per cent
        using var patient = new FrameEncoder(10);
        Assert.True(patient.Encode(raw).StoredLength < raw.Length * 0.95);

        static void StoredAsTheyAre(byte[] raw)
        {
            using var quick = new FrameEncoder(3);
            Assert.Equal(RawFrame.Length(raw.Length), quick.Encode(raw).StoredLength);
            Assert.Contains(quick.Frame, piece => piece.Span.Overlaps(raw));
        }
    }

    [Fact]
    public void Encode_ManySizesAndSeeds_EqualsTheSingleFrame()
    {
        var random = new Random(6);
        for (int i = 0; i < 200; i++)
        {
            int length = random.Next(1, 200_000);
            var raw = random.Next(3) switch
            {
                0 => SmallObject.Text(length, i),
                1 => SmallObject.Noise(length, i),
                _ => [.. SmallObject.Text(length / 2, i), .. SmallObject.Noise(length - (length / 2), i)],
            };
            var stored = SmallObject.Make(raw, random.Next(1, 150_000), random.Next(1, 12));
            // the naive reader takes all frames as one stream and skips what it does not know
            Assert.Equal(raw, OneShot(stored, length));
            Assert.Equal(raw, SmallObject.Read(stored));
        }
    }

    static (FrameInfo Info, byte[] Frame) Mark(ReadOnlyMemory<byte> raw)
    {
        var marks = new byte[RawFrame.MarksLength(raw.Length)];
        var info = RawFrame.Mark(raw.Span, marks);
        var pieces = new List<ReadOnlyMemory<byte>>();
        RawFrame.Gather(raw, marks, pieces);
        return (info, SmallObject.Join(pieces));
    }

    static byte[] OneShot(ReadOnlySpan<byte> stored, int length)
    {
        using var context = Libzstd.CreateDecompression();
        var raw = new byte[length];
        nuint done = Libzstd.Decompress(
            context, ref MemoryMarshal.GetReference<byte>(raw), (nuint)length, ref MemoryMarshal.GetReference(stored),
            (nuint)stored.Length);
        Assert.True(Libzstd.IsError(done) == 0, Libzstd.IsError(done) == 0 ? "" : Libzstd.Describe(done));
        Assert.Equal((nuint)length, done);
        return raw;
    }
}
