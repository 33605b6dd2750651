using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Storage.Local;
using Xunit;

namespace S3dlio.Core.Tests.Storage;

/// <summary>Against a payload that is hashed as a whole: what is written, in which order, and the checksums.</summary>
public sealed class HashedBlocksTests
{
    static readonly byte[] Data = MakeData(45 << 20);

    [Theory]
    [InlineData(0, true, new int[0])]
    [InlineData(0, true, new[] { 0 })]
    [InlineData(10, true, new[] { 1 })]
    [InlineData(128, true, new[] { 45 << 20 })]
    [InlineData(128, false, new[] { 45 << 20 })]
    [InlineData(0, true, new[] { 8 << 20 })]
    [InlineData(4095, true, new[] { 5, 0, (9 << 20) + 3, 1, 12 << 20, 4 << 20, 77 })]
    [InlineData(4095, false, new[] { 5, 0, (9 << 20) + 3, 1, 12 << 20, 4 << 20, 77 })]
    public async Task BlocksLieInOrderAndAreHashed(int headLength, bool helped, int[] lengths)
    {
        var payload = Cut(headLength, lengths);
        long position = headLength;
        var written = Checksum.Empty;
        var found = await new HashedBlocks(payload, helped).WriteAsync(
            block =>
            {
                Assert.Equal(position, block.Offset);
                position += block.Bytes.Length;
                written = written.Append(block.Bytes.Span);
            },
            CancellationToken.None);
        Assert.Equal(payload.Length, position);
        var expected = payload.Digest(CancellationToken.None);
        Assert.Equal(expected.Checksum, found.Checksum);
        Assert.Equal(expected.Head.ToArray(), found.Head.ToArray());
        Assert.Equal(Checksum.Of(expected.Head.Span).Value, HeadOf(expected.Checksum, written, position - headLength, expected.Head.Span));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(10)]
    public async Task WriteThatFailsEndsTheHashing(int after)
    {
        int count = 0;
        var error = await Assert.ThrowsAsync<IOException>(async () => await new HashedBlocks(Cut(0, [45 << 20]), true).WriteAsync(
            _ =>
            {
                if (count++ == after)
                    throw new IOException("full");
            },
            CancellationToken.None));
        Assert.Equal("full", error.Message);
        Assert.Equal(after + 1, count);
    }

    [Fact]
    public async Task CancelledOneEnds()
    {
        using var cancel = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            await new HashedBlocks(Cut(0, [45 << 20]), true).WriteAsync(block => cancel.Cancel(), cancel.Token));
    }

    /// <summary>A writer that is slower than the hashing, and one that is done before it has begun.</summary>
    [Theory]
    [InlineData(5)]
    [InlineData(0)]
    public async Task PaceDoesNotMatter(int milliseconds)
    {
        var payload = Cut(128, [45 << 20]);
        var found = await new HashedBlocks(payload, true).WriteAsync(_ => Thread.Sleep(milliseconds), CancellationToken.None);
        Assert.Equal(payload.Digest(CancellationToken.None).Checksum, found.Checksum);
    }

    /// <summary>The checksum of the head when <paramref name="whole"/> is really that of head and body.</summary>
    static uint HeadOf(Checksum whole, Checksum body, long bodyLength, ReadOnlySpan<byte> head)
    {
        var own = Checksum.Of(head);
        return Checksum.Combine(own, body, bodyLength) == whole ? own.Value : ~own.Value;
    }

    static Payload Cut(int headLength, int[] lengths)
    {
        var body = new List<LargeMemory>();
        int at = 0;
        foreach (int length in lengths)
        {
            body.Add(LargeMemory.From(Data.AsMemory(at, length)));
            at += length;
        }
        return new Payload(headLength, headLength == 0 ? null : _ => Data.AsMemory(7, headLength), body);
    }

    static byte[] MakeData(int length)
    {
        var data = new byte[length];
        new Random(5).NextBytes(data);
        return data;
    }
}
