using System.Buffers.Binary;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Tests.Http;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>Checksums that a server says without their type, or under another one's label, as moto does.</summary>
public class S3ChecksumTypeTests
{
    const string Parts = "ETag: \"0123456789abcdef0123456789abcdef-3\"\r\n";
    const string One = "ETag: \"0123456789abcdef0123456789abcdef\"\r\n";
    const string Whole = "x-amz-checksum-type: FULL_OBJECT\r\n";

    static readonly CancellationToken None = CancellationToken.None;

    static byte[] Data(int length)
    {
        var data = new byte[length];
        new Random(length).NextBytes(data);
        return data;
    }

    static string Header(string kind, uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return $"x-amz-checksum-{kind}: {Convert.ToBase64String(bytes)}\r\n";
    }

    // as S3 does it: the checksum comes with the whole object and with HEAD, not with ranges
    static ScriptedServer Serve(byte[] served, string tag, string checksum) => new(async exchange =>
    {
        if (exchange.Method == "HEAD")
            await exchange.Raw(Exchange.Head(200, tag + checksum, served.Length));
        else if (exchange.Headers.ContainsKey("Range"))
            await exchange.Serve(served, tag["ETag: ".Length..].Trim());
        else
            await exchange.Respond(200, tag + checksum, served);
    });

    static ObjectStore Store(ScriptedServer server) => StoreFactory.Open(StoreUri.Parse("s3://bucket/"), StoreOptions.Parse(
        $$"""{"endpoint_url":"{{server.Url}}","access_key_id":"id","secret_access_key":"a-secret","part_size":5242880}""", "s3://bucket/"));

    static async Task<byte[]> Get(ScriptedServer server, Validation validation)
    {
        byte[] read = [];
        LargeMemory Allocate(long count) => LargeMemory.From(read = new byte[count]);
        await ObjectRead.WholeAsync(Store(server), "key", Allocate, validation, NoProgress.Instance, None);
        return read;
    }

    [Theory]
    [InlineData("crc32c", 1000)]
    [InlineData("crc32c", 13_000_001)]
    [InlineData("crc32", 1000)]
    [InlineData("crc32", 13_000_001)]
    public async Task Get_UntypedChecksumOfAnUploadInParts_IsNotTakenForTheWhole(string kind, int length)
    {
        var data = Data(length);
        await using var server = Serve(data, Parts, Header(kind, 0x12345678));
        var head = await Store(server).HeadAsync("key", None);
        Assert.Null(head.Checksum);
        Assert.Null(head.Digest);
        Assert.Equal(data, await Get(server, new Validation(null)));
        var error = await Assert.ThrowsAsync<StoreException>(() => Get(server, new Validation(null, Required: true)));
        Assert.Equal(ErrorReason.NoChecksum, error.Reason);
    }

    [Theory]
    [InlineData("crc32c")]
    [InlineData("crc32")]
    public async Task Get_UntypedChecksumOfOnePut_IsCompared(string kind)
    {
        await using var server = Serve(Data(1000), One, Header(kind, 0x12345678));
        var error = await Assert.ThrowsAsync<StoreException>(() => Get(server, new Validation(null)));
        Assert.Equal(ErrorKind.ChecksumMismatch, error.Kind);
    }

    [Theory]
    [InlineData(1000, true)]
    [InlineData(13_000_001, true)]
    [InlineData(1000, false)]
    [InlineData(13_000_001, false)]
    public async Task Get_Crc32LabelledAsCrc32C_IsComparedAsCrc32AndSaidOnce(int length, bool inParts)
    {
        var data = Data(length);
        var (tag, checksum) = (inParts ? Parts : One, Header("crc32c", Crc32.Compute(data)) + (inParts ? Whole : ""));
        await using var server = Serve(data, tag, checksum);
        Assert.Equal(data, await Get(server, new Validation(null)));
        Assert.Equal(data, await Get(server, new Validation(null, Required: true)));
        Assert.Equal(data, await Get(server, new Validation(null)));
        // other tests of the process have notices of their own
        var notices = Enumerable.Range(0, Notices.Count).Select(Notices.Get);
        Assert.Single(notices, notice => notice.Contains("labels IEEE CRC-32 values as CRC32C", StringComparison.Ordinal));
        await using var reader = await ObjectInput.OpenStreamAsync(Store(server), "key", Decompress.Never, ReadOptions.Default, None);
        var part = new byte[700];
        await ObjectRead.RangeAsync(
            Store(server), "key", Decompress.Never, 100, 700, _ => LargeMemory.From(part), new Validation(null, Required: true),
            NoProgress.Instance, None);
        Assert.Equal(data[100..800], part);

        // one changed byte: the value is neither checksum of these bytes
        var damaged = (byte[])data.Clone();
        damaged[length / 3] ^= 4;
        await using var bad = Serve(damaged, tag, checksum);
        var error = await Assert.ThrowsAsync<StoreException>(() => Get(bad, new Validation(null)));
        Assert.Equal(ErrorKind.ChecksumMismatch, error.Kind);
        // what the caller demands is no server's label
        error = await Assert.ThrowsAsync<StoreException>(() => Get(server, new Validation(new Checksum(Crc32.Compute(data)))));
        Assert.Equal(ErrorKind.ChecksumMismatch, error.Kind);
    }

    [Fact]
    public async Task Get_DamagedOnTheWayAndSoundTheSecondTime_IsNotExcusedByTheLabel()
    {
        // the bytes that the caller has are the damaged ones: that the server's are sound proves nothing of them
        var data = Data(1000);
        var damaged = (byte[])data.Clone();
        damaged[333] ^= 4;
        string checksum = Header("crc32c", Crc32.Compute(data)) + Whole;
        await using var server = new ScriptedServer(async exchange =>
        {
            if (exchange.Headers.ContainsKey("Range"))
                await exchange.Serve(data, Parts["ETag: ".Length..].Trim());
            else
                await exchange.Respond(200, Parts + checksum, damaged);
        });
        var error = await Assert.ThrowsAsync<StoreException>(() => Get(server, new Validation(null)));
        Assert.Equal(ErrorKind.ChecksumMismatch, error.Kind);
        Assert.Contains(server.Seen, seen => seen.Headers.ContainsKey("Range"));
    }

    [Fact]
    public async Task Get_ChecksumThatTheObjectCarriesItself_IsCrc32COnly()
    {
        // this library wrote it, not the server
        var data = Data(1000);
        await using var server = Serve(data, One, $"x-amz-meta-s3dlio-crc32c: {new Checksum(Crc32.Compute(data))}\r\n");
        var error = await Assert.ThrowsAsync<StoreException>(() => Get(server, new Validation(null)));
        Assert.Equal(ErrorKind.ChecksumMismatch, error.Kind);
        Assert.Single(server.Seen);
    }
}
