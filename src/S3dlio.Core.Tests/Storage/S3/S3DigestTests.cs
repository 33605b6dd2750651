using System.Buffers.Binary;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>Objects of other programs, which come with checksums of other kinds.</summary>
public class S3DigestTests
{
    static readonly CancellationToken None = CancellationToken.None;

    static byte[] Data(int length)
    {
        var data = new byte[length];
        new Random(length).NextBytes(data);
        return data;
    }

    static string Header(string kind, byte[] data)
    {
        var value = new byte[kind == "crc32" ? 4 : 8];
        if (kind == "crc32")
            BinaryPrimitives.WriteUInt32BigEndian(value, Crc32.Compute(data));
        else
            BinaryPrimitives.WriteUInt64BigEndian(value, Crc64.Compute(data));
        return $"x-amz-checksum-{kind}: {Convert.ToBase64String(value)}\r\nx-amz-checksum-type: FULL_OBJECT\r\n";
    }

    // S3 tells an object's checksum with the whole object and with HEAD, not with ranges
    static ScriptedServer Serve(byte[] served, string header) => new(async exchange =>
    {
        if (exchange.Method == "HEAD")
            await exchange.Raw(Exchange.Head(200, $"ETag: \"v1\"\r\n{header}", served.Length));
        else if (exchange.Headers.ContainsKey("Range"))
            await exchange.Serve(served, "\"v1\"");
        else
            await exchange.Say(200, $"ETag: \"v1\"\r\n{header}", served);
    });

    static async Task<byte[]> Get(ScriptedServer server, Validation validation)
    {
        var store = StoreFactory.Open(StoreUri.Parse("s3://bucket/"), StoreOptions.Parse(
            $$"""{"endpoint_url":"{{server.Url}}","access_key_id":"id","secret_access_key":"a-secret","part_size":5242880}""", "s3://bucket/"));
        byte[] read = [];
        LargeMemory Allocate(long count) => LargeMemory.From(read = new byte[count]);
        await ObjectRead.WholeAsync(store, "key", Allocate, validation, new Quiet(), None);
        return read;
    }

    [Theory]
    [InlineData("crc32", 0)]
    [InlineData("crc32", 1000)]
    [InlineData("crc64nvme", 1000)]
    [InlineData("crc32", 13_000_001)]
    [InlineData("crc64nvme", 13_000_001)]
    public async Task Get_ChecksumOfAnotherKind_IsCompared(string kind, int length)
    {
        var data = Data(length);
        await using (var server = Serve(data, Header(kind, data)))
            Assert.Equal(data, await Get(server, new Validation(null)));
        if (length == 0)
            return;
        var damaged = (byte[])data.Clone();
        damaged[length / 3] ^= 4;
        await using var bad = Serve(damaged, Header(kind, data));
        var error = await Assert.ThrowsAsync<StoreException>(() => Get(bad, new Validation(null)));
        Assert.Equal(ErrorKind.ChecksumMismatch, error.Kind);
        Assert.Contains(kind + ":", error.Detail, StringComparison.Ordinal);
        Assert.Equal(damaged, await Get(bad, new Validation(null, Validate: false)));
    }

    [Fact]
    public async Task Get_CompositeOfAnotherKind_IsNotTakenForTheWhole()
    {
        var data = Data(1000);
        string header = Header("crc32", Data(999)).Replace("FULL_OBJECT", "COMPOSITE", StringComparison.Ordinal);
        await using var server = Serve(data, header);
        Assert.Equal(data, await Get(server, new Validation(null)));
    }

    sealed class Quiet : ITransferProgress
    {
        public void Begin(long total)
        {
        }

        public void Report(long value)
        {
        }
    }
}
