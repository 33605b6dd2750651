using System.Globalization;
using System.Reflection;
using Azure;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using Azure.Storage.Sas;
using S3dlio.Storage;
using S3dlio.Storage.Remote;
using S3dlio.Storage.Remote.Azure;
using S3dlio.Http;
using Xunit;

namespace S3dlio.Tests.Witness;

/// <summary>
/// Random requests signed by Azure's SDK and by us: the signatures are the same. Ours by its policy, its own by our signer, and the shared
/// access signatures of blobs by both. S3DLIO_WITNESS_SIGNATURES=10000 is the long form.
/// </summary>
public class SharedKeyWitnessTests
{
    /// <summary>An account with a key of its own, and both clients for it.</summary>
    sealed class Scene
    {
        public Scene(OddText odd)
        {
            Account = odd.Pick(["acct", "devstoreaccount1", "a23"]);
            // as the public cloud, a private host and the emulator have it
            Endpoint = odd.Pick(
                [$"https://{Account}.blob.core.windows.net", $"https://{Account}.example.org:8443", $"http://127.0.0.1:10000/{Account}"]);
            Container = odd.Pick(["box", "$root", "a-1"]);
            Key = odd.Secret(64);
            var options = StoreOptions.Parse($$"""{"endpoint_url":"{{Endpoint}}","account_key":"{{Key}}"}""", "az://a/b/");
            var settings = AzureOptions.Read(options, StoreUri.Parse("az://a/b/"));
            Ours = new AzureClient(settings, AzureAccount.Resolve(settings, Account, "az://a/b/", static _ => null), "az://a/b/", Clock);
            Credential = new StorageSharedKeyCredential(Account, Key);
            var theirs = new BlobClientOptions { Transport = Capture };
            theirs.Retry.MaxRetries = 0;
            Theirs = new BlobContainerClient(new Uri($"{Endpoint}/{Container}"), Credential, theirs);
            var policy = typeof(StorageSharedKeyCredential).Assembly.GetType(
                "Azure.Storage.StorageSharedKeyPipelinePolicy", throwOnError: true)!;
            Signing = new HttpPipeline(
                Capture, [(HttpPipelinePolicy)policy.GetConstructors(
                        BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).Single().Invoke([Credential])]);
        }

        public string Account { get; }

        public string Endpoint { get; }

        public string Container { get; }

        public string Key { get; }

        public StandingClock Clock { get; } = new();

        public AzureCapture Capture { get; } = new();

        public AzureClient Ours { get; }

        public StorageSharedKeyCredential Credential { get; }

        public BlobContainerClient Theirs { get; }

        /// <summary>The SDK's signature alone, for requests that it did not make.</summary>
        public HttpPipeline Signing { get; }

        public static IEnumerable<(Scene Scene, OddText Odd)> Many(int seed, int count)
        {
            for (int done = 0; done < count; done += 100)
            {
                var odd = new OddText(seed + done);
                var scene = new Scene(odd);
                for (int i = 0; i < Math.Min(100, count - done); i++)
                    yield return (scene, odd);
            }
        }
    }

    [Fact]
    public async Task Sign_RandomRequestsOfOurs_AsTheSdkSignsThem()
    {
        foreach (var (scene, odd) in Scene.Many(4, Signatures.Count / 2))
        {
            var request = Request(scene.Container, odd);
            var seen = await scene.Capture.Of(async () =>
            {
                var unsigned = await scene.Ours.AuthorizeAsync(request, default);
                using var message = scene.Signing.CreateMessage();
                message.Request.Method = RequestMethod.Parse(request.Method.Method);
                message.Request.Uri.Reset(unsigned.Address);
                foreach (var (name, value) in unsigned.Headers.Where(header => header.Key is not ("x-ms-date" or "Authorization")))
                    message.Request.Headers.Add(name, value);
                if (request.Body is { } body)
                {
                    message.Request.Content = RequestContent.Create(new byte[body.Length]);
                    message.Request.Headers.SetValue("Content-Length", body.Length.ToString(CultureInfo.InvariantCulture));
                }
                await scene.Signing.SendAsync(message, default);
            });
            scene.Clock.Now = DateTimeOffset.ParseExact(
                seen["x-ms-date"], "R", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
            var call = await scene.Ours.AuthorizeAsync(request, default);
            string found = call.Headers.Last(header => header.Key == "Authorization").Value;
            Assert.True(seen["Authorization"] == found,
                $"{call.Method} {call.Address}\nSDK:  {seen["Authorization"]}\nours: {found} "
                + $"of\n{SharedKeySigner.StringToSign(scene.Account, call)}");
        }
    }

    [Fact]
    public async Task Sign_RandomRequestsOfTheSdk_AsTheSdkSignsThem()
    {
        foreach (var (scene, odd) in Scene.Many(5, Signatures.Count * 3 / 10))
        {
            var seen = await scene.Capture.Of(Call(scene, odd));
            var call = new HttpCall
            {
                Method = new HttpMethod(seen.Method),
                Address = HttpTransport.Address(seen.Uri),
                Subject = "az://a/b/",
                Body = seen.Length > 0 ? new HttpBody(new byte[seen.Length]) : null,
            };
            foreach (var (name, value) in seen.Headers.Where(
                    header => header.Key is not ("x-ms-date" or "Authorization" or "Content-Length")))
                call.Add(name, value);
            new SharedKeySigner(scene.Account, Convert.FromBase64String(scene.Key))
                .Sign(call, DateTimeOffset.ParseExact(
                        seen["x-ms-date"], "R", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal));
            string found = call.Headers.Last(header => header.Key == "Authorization").Value;
            Assert.True(seen["Authorization"] == found,
                $"{call.Method} {call.Address}\nSDK:  {seen["Authorization"]}\nours: {found} "
                + $"of\n{SharedKeySigner.StringToSign(scene.Account, call)}");
        }
    }

    [Fact]
    public async Task Presign_RandomKeys_GivesTheSdksSignature()
    {
        foreach (var (scene, odd) in Scene.Many(6, Signatures.Count / 5))
        {
            string key = AzureKeyOf(odd), method = odd.Pick(["GET", "HEAD", "PUT", "DELETE"]);
            scene.Clock.Now = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero).AddSeconds(odd.Random.Next(100_000_000));
            var lasts = TimeSpan.FromSeconds(odd.Random.Next(1, 7 * 86_400));
            var store = new AzureStore(StoreUri.Parse($"az://{scene.Account}/{scene.Container}/"), scene.Ours);
            string ours = await store.PresignAsync(key, PresignOptions.Default with { Method = method, Expires = lasts }, default);

            var builder = new BlobSasBuilder(
                method is "PUT" ? BlobSasPermissions.Create | BlobSasPermissions.Write : method is "DELETE"
                    ? BlobSasPermissions.Delete
                    : BlobSasPermissions.Read, scene.Clock.Now + lasts)
            {
                BlobContainerName = scene.Container,
                BlobName = key,
                Resource = "b",
                Protocol = scene.Endpoint.StartsWith("https", StringComparison.Ordinal) ? SasProtocol.Https : SasProtocol.HttpsAndHttp,
            };
            string query = builder.ToSasQueryParameters(scene.Credential, out string text).ToString();
            var (expected, found) = (Parts(query), Parts(ours.Split('?', 2)[1]));
            // it signs as the newest version of the service, whose fields are the same
            string signed = text.Replace($"\n{expected["sv"]}\n", $"\n{found["sv"]}\n", StringComparison.Ordinal);
            Assert.Equal(scene.Ours.Account.Credential.Signer!.Sign(text), expected["sig"]);
            Assert.Equal(scene.Ours.Account.Credential.Signer!.Sign(signed), found["sig"]);
            (expected["sv"], expected["sig"]) = (found["sv"], found["sig"]);
            Assert.Equal(expected, found);
        }
    }

    static SortedDictionary<string, string> Parts(string query) =>
        new(query.Split('&').ToDictionary(part => part.Split('=')[0], part => Uri.UnescapeDataString(part.Split('=', 2)[1])),
            StringComparer.Ordinal);

    /// <summary>What Azure keeps as it is: no part of a path ends with a dot.</summary>
    static string AzureKeyOf(OddText odd)
    {
        string key = string.Join(
            '/', odd.Key(harsh: false).Split('/').Select(part => part.EndsWith('.') ? part.TrimEnd('.') + "d" : part)).TrimStart('/');
        return key.TrimEnd('/') is { Length: > 0 } name ? name : "k";
    }

    static RemoteRequest Request(string container, OddText odd)
    {
        var request = new RemoteRequest(
            odd.Pick([HttpMethod.Get, HttpMethod.Put, HttpMethod.Head, HttpMethod.Delete]), container, AzureKeyOf(odd), "az://a/b/")
        {
            Body = odd.Random.Next(3) switch { 0 => null, 1 => new HttpBody([]), _ => new HttpBody(new byte[odd.Random.Next(1, 5000)]) },
        };
        foreach (string name in (string[])["comp", "restype", "prefix", "delimiter", "marker", "blockid", "maxresults", "snapshot"])
        {
            if (odd.Chance(4))
                request.WithQuery(name, odd.Key(harsh: true));
        }
        foreach (string name in (
                string[])["x-ms-meta-A_1", "x-ms-meta-a1", "x-ms-meta-ab", "x-ms-meta-a_b", "X-Ms-Blob-Type", "x-ms-copy-source",
                "x-ms-tags", "x-ms-blob-content-md5", "x-ms-range"])
        {
            if (odd.Chance(3))
                // it signs blanks at the ends, too, which no server gets to see
                request.WithHeader(name, odd.Value().Trim());
        }
        foreach (string name in (
                string[])["Content-Type", "Content-MD5", "Content-Encoding", "Content-Language", "If-Match", "If-None-Match",
                "If-Modified-Since", "If-Unmodified-Since", "Range"])
        {
            if (odd.Chance(4))
                request.WithHeader(name, odd.Value().Trim());
        }
        return request;
    }

    static Func<Task> Call(Scene scene, OddText odd)
    {
        string key = AzureKeyOf(odd);
        var blob = scene.Theirs.GetBlockBlobClient(key);
        var metadata = new Dictionary<string, string> { [odd.Name()] = odd.Value().Trim(), ["a_b"] = "x", ["ab"] = "y", ["a1"] = "z" };
        var conditions = new BlobRequestConditions
        {
            IfMatch = odd.Chance(2) ? null : new ETag("\"0x8D\""),
            IfModifiedSince = odd.Chance(3) ? DateTimeOffset.UnixEpoch : null
        };
        return odd.Random.Next(9) switch
        {
            0 => () => blob.UploadAsync(new MemoryStream(new byte[odd.Random.Next(3000)]), new BlobUploadOptions
            {
                Metadata = metadata,
                Conditions = conditions,
                HttpHeaders = new BlobHttpHeaders
                {
                    ContentType = odd.Value().Trim(),
                    CacheControl = odd.Value().Trim(),
                    ContentLanguage = "de"
                },
                Tags = new Dictionary<string, string> { [odd.Name()] = "a b/c" },
            }),
            1 => () => scene.Theirs.GetBlobClient(key).DownloadStreamingAsync(
                new BlobDownloadOptions { Range = new HttpRange(odd.Random.Next(9), odd.Random.Next(1, 9)), Conditions = conditions }),
            2 => () => blob.GetPropertiesAsync(conditions),
            3 => () => blob.DeleteAsync(DeleteSnapshotsOption.IncludeSnapshots, conditions),
            4 => () => blob.StageBlockAsync(odd.Secret(16), new MemoryStream(new byte[odd.Random.Next(1, 3000)])),
            5 => () => blob.CommitBlockListAsync([odd.Secret(16), odd.Secret(16)], new CommitBlockListOptions { Metadata = metadata }),
            6 => () => blob.SyncCopyFromUriAsync(
                new Uri($"https://other.blob.core.windows.net/c/{Uri.EscapeDataString(odd.Key(harsh: false))}?sig=x%2By")),
            7 => () => blob.SetTagsAsync(new Dictionary<string, string> { [odd.Name()] = "v" }),
            _ => async () =>
            {
                await foreach (var page in scene.Theirs.GetBlobsByHierarchyAsync(
                        new GetBlobsByHierarchyOptions { Delimiter = "/", Prefix = odd.Key(harsh: true), Traits = BlobTraits.Metadata }))
                    Assert.NotNull(page);
            }
            ,
        };
    }
}
