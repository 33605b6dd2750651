using System.Globalization;
using System.Text;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Tests.Http;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>Ranges of objects whose blocks have known checksums, on a server that damages what it sends.</summary>
public class S3RangeTests
{
    const int Block = 256 << 10;
    const int Size = 3 << 20;

    static readonly CancellationToken None = CancellationToken.None;

    static byte[] Data()
    {
        var data = new byte[Size];
        new Random(5).NextBytes(data);
        return data;
    }

    static byte[] Damaged(int at)
    {
        var data = Data();
        data[at] ^= 1;
        return data;
    }

    static ObjectStore Open(ScriptedServer server) => StoreFactory.Open(
        StoreUri.Parse("s3://bucket/"),
        StoreOptions.Parse(
            $$"""{"endpoint_url":"{{server.Url}}","access_key_id":"id","secret_access_key":"a-secret","max_attempts":1,"part_size":5242880}""", "s3://bucket/"));

    static async Task<byte[]> Range(ScriptedServer server, long offset, long length, Validation validation)
    {
        byte[] read = [];
        await ObjectRead.RangeAsync(
            Open(server), "key", Decompress.Never, offset, length, count => LargeMemory.From(read = new byte[count]), validation,
            NoProgress.Instance, None);
        return read;
    }

    static ScriptedServer Noted(byte[] data)
    {
        string blocks = new Payload(Data()).DigestBlocks(None).Blocks!.ToString();
        return new ScriptedServer(exchange => exchange.Serve(data, "\"v1\"", extra: $"x-amz-meta-s3dlio-blocks: {blocks}\r\n"));
    }

    [Theory]
    [InlineData(0, Size)]
    [InlineData(Block, 2 * Block)]
    [InlineData(100, 3 * Block)]
    [InlineData(Block - 1, 2)]
    [InlineData(Size - 1, 1)]
    public async Task Range_OfWhatWasWritten_ComesWithAndWithoutEdges(int offset, int length)
    {
        foreach (bool edges in (bool[])[false, true])
        {
            await using var server = Noted(Data());
            Assert.Equal(Data()[offset..(offset + length)], await Range(server, offset, length, new Validation(null, Edges: edges)));
        }
    }

    [Theory]
    // the damaged byte, the range, and whether it lies in a block that the range holds whole
    [InlineData(Block + 5, Block, Block, true)]
    [InlineData(Block + 5, 100, 3 * Block, true)]
    [InlineData(Size - 1, Size - Block, Block, true)]
    [InlineData(Block + 5, Block, 100, false)]
    [InlineData(Block + 5, Block + 1, 2 * Block, false)]
    [InlineData(Size - 1, Size - 1, 1, false)]
    public async Task Range_DamagedByte_IsFoundWhereTheBlockIsWholeOrReadOut(int damaged, int offset, int length, bool whole)
    {
        foreach (bool edges in (bool[])[false, true])
        {
            await using var server = Noted(Damaged(damaged));
            var reading = Range(server, offset, length, new Validation(null, Edges: edges));
            if (!whole && !edges)
            {
                Assert.Equal(length, (await reading).Length);
                continue;
            }
            var error = await Assert.ThrowsAsync<StoreException>(() => reading);
            Assert.Equal((ErrorKind.ChecksumMismatch, damaged / Block * Block), (error.Kind, error.Offset));
        }
    }

    [Fact]
    public async Task Range_NotValidated_IsHandedOut()
    {
        await using var server = Noted(Damaged(5));
        Assert.Equal(Block, (await Range(server, 0, Block, new Validation(null, Validate: false))).Length);
    }

    [Theory]
    [InlineData(true, "GetObjectAttributesResponse")]
    [InlineData(false, "GetObjectAttributesResponse")]
    [InlineData(true, "GetObjectAttributes")]
    public async Task Range_OfPartsThatTheServerTells_IsComparedWithThem(bool damage, string root)
    {
        var text = new StringBuilder($"<{root}><ETag>abc-3</ETag><ObjectParts><IsTruncated>false</IsTruncated>");
        for (int i = 0; i < 3; i++)
            text.Append(CultureInfo.InvariantCulture,
                $"<Part><PartNumber>{i + 1}</PartNumber><Size>{1 << 20}</Size><ChecksumCRC32C>{Checksum.Of(Data().AsSpan(i << 20, 1 << 20)).ToBase64()}</ChecksumCRC32C></Part>");
        text.Append(CultureInfo.InvariantCulture, $"</ObjectParts></{root}>");
        await using var server = new ScriptedServer(exchange => exchange.Target.Contains("attributes", StringComparison.Ordinal)
            ? exchange.Respond(200, "", text.ToString())
            : exchange.Serve(damage ? Damaged((1 << 20) + 9) : Data(), "\"abc-3\""));
        var reading = Range(server, (1 << 20) + 100, 50, new Validation(null, Edges: true));
        if (damage)
            Assert.Equal(1 << 20, (await Assert.ThrowsAsync<StoreException>(() => reading)).Offset);
        else
            Assert.Equal(Data()[((1 << 20) + 100)..((1 << 20) + 150)], await reading);
    }

    [Theory]
    [InlineData(500, "")]
    [InlineData(403, "<Error><Code>AccessDenied</Code></Error>")]
    [InlineData(200, "<GetObjectAttributesResponse><ETag>other-3</ETag></GetObjectAttributesResponse>")]
    [InlineData(200, "no XML")]
    public async Task Range_ServerTellsNothingOfParts_IsReadUnchecked(int status, string body)
    {
        await using var server = new ScriptedServer(exchange => exchange.Target.Contains("attributes", StringComparison.Ordinal)
            ? exchange.Respond(status, "", body)
            : exchange.Serve(Data(), "\"abc-3\""));
        Assert.Equal(Data()[7..9], await Range(server, 7, 2, new Validation(null, Edges: true)));
    }
}
