using System.Globalization;
using Amazon.Runtime;
using Amazon.Runtime.Internal;
using Amazon.Runtime.Internal.Auth;
using Amazon.Runtime.Internal.Util;
using Amazon.S3;
using Amazon.S3.Model;
using S3dlio.Storage;
using S3dlio.Http;
using S3dlio.Storage.Remote;
using S3dlio.Storage.Remote.S3;
using Xunit;

namespace S3dlio.Tests.Witness;

/// <summary>
/// Random requests signed by Amazon's SDK and by us: the signatures are the same. Ours by its signer, its own by our signer, and presigned
/// URLs by both. S3DLIO_WITNESS_SIGNATURES=10000 is the long form. We sign no bodies in chunks, so neither does it here.
/// </summary>
public class SigV4WitnessTests
{
    static readonly string[] Regions = ["us-east-1", "eu-central-2", "cn-north-1", "us-gov-west-1", "garage", "default"];

    /// <summary>A place with keys of its own, and both clients for it.</summary>
    sealed class Scene
    {
        public Scene(OddText odd, int number)
        {
            Region = odd.Pick(Regions);
            // an address; a host with a port and a path before the buckets; a host alone
            Endpoint = odd.Pick(["http://127.0.0.1:9", "https://s3.example.org:8443", "https://storage.example.org"]);
            // names that can be a host's and one that cannot
            Bucket = odd.Pick(["bucket", "a-1", "with.dots", "Upper_case"]);
            Token = odd.Chance(2) ? null : odd.Secret(120);
            Keys = new S3Credentials($"AKID{number}", odd.Secret(30), Token);
            Clock = new StandingClock();
            var options = new S3Options
            {
                EndpointUrl = Endpoint,
                Region = Region,
                AccessKeyId = Keys.AccessKeyId,
                SecretAccessKey = Keys.SecretAccessKey,
                SessionToken = Token,
                RequesterPays = odd.Chance(5),
            };
            Ours = new S3Client(options, "s3://b/", Clock);
            Config = new AmazonS3Config
            {
                ServiceURL = Endpoint,
                ForcePathStyle = true,
                AuthenticationRegion = Region,
                HttpClientFactory = Capture,
                MaxErrorRetry = 0,
            };
            AWSCredentials credentials = Token is null
                ? new BasicAWSCredentials(Keys.AccessKeyId, Keys.SecretAccessKey)
                : new SessionAWSCredentials(Keys.AccessKeyId, Keys.SecretAccessKey, Token);
            Theirs = new AmazonS3Client(credentials, Config);
        }

        public string Region { get; }

        public string Endpoint { get; }

        public string Bucket { get; }

        public string? Token { get; }

        public S3Credentials Keys { get; }

        public StandingClock Clock { get; }

        public AwsCapture Capture { get; } = new();

        public AmazonS3Config Config { get; }

        public S3Client Ours { get; }

        public AmazonS3Client Theirs { get; }

        /// <summary>Some for each hundred requests: clients are not cheap to make.</summary>
        public static IEnumerable<(Scene Scene, OddText Odd)> Many(int seed, int count)
        {
            for (int done = 0; done < count; done += 100)
            {
                var odd = new OddText(seed + done);
                var scene = new Scene(odd, done);
                for (int i = 0; i < Math.Min(100, count - done); i++)
                    yield return (scene, odd);
                scene.Theirs.Dispose();
            }
        }
    }

    [Fact]
    public void Sign_RandomRequestsOfOurs_AsTheSdkSignsThem()
    {
        foreach (var (scene, odd) in Scene.Many(1, Signatures.Count / 2))
        {
            var request = Request(scene.Bucket, odd);
            scene.Clock.Now = Moment(odd);
            var call = scene.Ours.Sign(request, scene.Region, scene.Keys);
            string expected = TheirSignature(scene, request, call);
            Assert.True(expected == Header(call, "Authorization"),
                $"{call.Method} {call.Target}: SDK {expected}, ours {Header(call, "Authorization")}");
        }
    }

    [Fact]
    public async Task Sign_RandomRequestsOfTheSdk_AsTheSdkSignsThem()
    {
        foreach (var (scene, odd) in Scene.Many(2, Signatures.Count * 3 / 10))
        {
            string key = odd.Key(harsh: true);
            bool lists = odd.Chance(8);
            var seen = await scene.Capture.Of(lists ? Listing(scene, key, odd) : Call(scene, key, odd));
            string stamp = AwsCapture.Header(seen, "X-Amz-Date")!;
            // as sent, whatever .NET would make of it
            string target = seen.RequestUri!.OriginalString[scene.Endpoint.Length..];
            string path = lists ? $"/{scene.Bucket}/" : $"/{scene.Bucket}/{PercentEncoding.Path(key)}";
            // of a key that begins with a slash it sends one slash less than it signs
            Assert.Equal(lists || key[0] != '/' ? path : $"/{scene.Bucket}/{PercentEncoding.Path(key[1..])}", target.Split('?')[0]);
            string query = target.Contains('?', StringComparison.Ordinal) ? target.Split('?', 2)[1] : "";
            var pairs = query.Split('&', StringSplitOptions.RemoveEmptyEntries).Select(part => part.Split('=', 2))
                .Select(part => new KeyValuePair<string, string>(
                        Uri.UnescapeDataString(part[0]), part.Length > 1 ? Uri.UnescapeDataString(part[1]) : "")).ToList();
            var headers = seen.Headers.Concat(seen.Content?.Headers.AsEnumerable() ?? [])
                .Where(header => header.Key is not "Authorization").Select(
                    header => new KeyValuePair<string, string>(header.Key, header.Value.First())).ToList();
            string found = new SigV4Signer(scene.Region).Authorization(
                seen.Method.Method, path, SigV4Signer.Query(pairs), seen.Headers.Host!, headers,
                AwsCapture.Header(seen, "X-Amz-Content-SHA256")!, stamp, scene.Keys);
            Assert.True(AwsCapture.Header(seen, "Authorization") == found,
                $"{seen.Method} {target}: SDK {AwsCapture.Header(seen, "Authorization")}, ours {found}");
        }
    }

    [Fact]
    public async Task Presign_RandomKeys_GivesTheSdksSignature()
    {
        foreach (var (scene, odd) in Scene.Many(3, Signatures.Count / 5))
        {
            // its presigner drops a slash at the key's start, which is part of the name
            string key = odd.Key(harsh: true).TrimStart('/') + "k", verb = odd.Pick(["GET", "PUT", "HEAD", "DELETE"]);
            string theirs = await scene.Theirs.GetPreSignedURLAsync(new GetPreSignedUrlRequest
            {
                BucketName = scene.Bucket,
                Key = key,
                Verb = Enum.Parse<HttpVerb>(verb),
                Expires = DateTime.UtcNow.AddSeconds(odd.Random.Next(60, 7 * 86_400)),
                Protocol = scene.Endpoint.StartsWith("https", StringComparison.Ordinal) ? Protocol.HTTPS : Protocol.HTTP,
            });
            var (path, query) = Parts(theirs);
            scene.Clock.Now = DateTimeOffset.ParseExact(
                query["X-Amz-Date"], "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
            string ours = await scene.Ours.PresignAsync(
                new RemoteRequest(new HttpMethod(verb), scene.Bucket, key, "s3://b/x"),
                TimeSpan.FromSeconds(int.Parse(query["X-Amz-Expires"], CultureInfo.InvariantCulture)), default);
            var (ourPath, ourQuery) = Parts(ours);
            Assert.Equal(path, ourPath);
            Assert.Equal(query, ourQuery);
        }
    }

    static (string Path, SortedDictionary<string, string> Query) Parts(string url)
    {
        string[] parts = url.Split('?', 2);
        return (parts[0],
            new(parts[1].Split('&').ToDictionary(part => part.Split('=')[0], part => Uri.UnescapeDataString(part.Split('=', 2)[1])),
                StringComparer.Ordinal));
    }

    static DateTimeOffset Moment(OddText odd) =>
        new DateTimeOffset(2013, 5, 24, 0, 0, 0, TimeSpan.Zero).AddSeconds(odd.Random.Next(1_000_000_000));

    static string? Header(HttpCall call, string name) =>
        call.Headers.Where(header => header.Key == name).Select(header => header.Value).FirstOrDefault();

    /// <summary>A request with what ours have: parameters, headers of all kinds, bodies signed and not.</summary>
    static RemoteRequest Request(string bucket, OddText odd)
    {
        var body = odd.Random.Next(3) switch { 0 => null, 1 => new HttpBody([]), _ => new HttpBody(new byte[odd.Random.Next(1, 5000)]) };
        var request = new RemoteRequest(
            odd.Pick([HttpMethod.Get, HttpMethod.Put, HttpMethod.Post, HttpMethod.Head, HttpMethod.Delete]), bucket, odd.Key(harsh: true),
            "s3://b/x")
        {
            Body = body,
            PayloadHash = body is null || odd.Chance(2)
                ? null
                : Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(new byte[body.Length])),
        };
        var names = new HashSet<string>();
        foreach (string name in (
                string[])["uploads", "uploadId", "partNumber", "prefix", "delimiter", "start-after", "continuation-token", "list-type",
                "tagging", "a-b", "a", "A", "ab"])
        {
            if (odd.Chance(5) && names.Add(name))
                request.WithQuery(name, name is "uploads" or "tagging" ? "" : odd.Key(harsh: true));
        }
        foreach (string name in (
                string[])["Content-Type", "Content-MD5", "x-amz-acl", "x-amz-copy-source", "x-amz-checksum-crc32c", "x-amz-meta-A_1",
                "x-amz-meta-a-1", "X-Amz-Tagging", "x-amz-meta-z"])
        {
            if (odd.Chance(3))
                request.WithHeader(name, odd.Value());
        }
        // never signed by us, as proxies may change them
        if (odd.Chance(3))
            request.WithHeader("Range", "bytes=0-9").WithHeader("If-Match", "\"tag\"").WithHeader("Cache-Control", odd.Value());
        return request;
    }

    /// <summary>What Amazon's signer makes of the same method, key, parameters and headers.</summary>
    static string TheirSignature(Scene scene, RemoteRequest request, HttpCall call)
    {
        string payload = Header(call, "x-amz-content-sha256")!;
        var theirs = new DefaultRequest(new GetObjectRequest(), "Amazon.S3")
        {
            HttpMethod = request.Method.Method,
            Endpoint = new Uri(scene.Endpoint),
            ResourcePath = request.Key.Length == 0 ? "/{Bucket}" : "/{Bucket}/{Key+}",
            UseDoubleEncoding = false,
            PrecomputedContentSha256 = payload,
            UseQueryString = true,
        };
        theirs.AddPathResource("{Bucket}", request.Container);
        theirs.AddPathResource("{Key+}", request.Key);
        foreach (var (name, value) in request.Query)
            theirs.Parameters.Add(name, value);
        foreach (var (name, value) in call.Headers)
        {
            if (name.StartsWith("x-amz-", StringComparison.OrdinalIgnoreCase)
                    ? name is not ("x-amz-date" or "x-amz-content-sha256")
                    : name is "Content-Type" or "Content-MD5")
                theirs.Headers[name] = value;
        }
        return new AWS4Signer().SignRequest(
            theirs, scene.Config, new RequestMetrics(), scene.Keys.AccessKeyId, scene.Keys.SecretAccessKey,
            scene.Clock.Now.UtcDateTime).ForAuthorizationHeader;
    }

    static Func<Task> Listing(Scene scene, string prefix, OddText odd) => () => scene.Theirs.ListObjectsV2Async(new ListObjectsV2Request
    {
        BucketName = scene.Bucket,
        Prefix = prefix,
        Delimiter = odd.Chance(2) ? "/" : null,
        StartAfter = odd.Key(harsh: true),
        ContinuationToken = odd.Chance(2) ? null : odd.Secret(40),
        MaxKeys = odd.Random.Next(1, 1000),
        Encoding = EncodingType.Url,
    });

    /// <summary>Calls whose signed headers are among those that we sign: the SDK signs lengths, ranges and conditions as well.</summary>
    static Func<Task> Call(Scene scene, string key, OddText odd)
    {
        string bucket = scene.Bucket;
        var client = scene.Theirs;
        return odd.Random.Next(7) switch
        {
            0 => () => client.GetObjectAsync(new GetObjectRequest
            {
                BucketName = bucket,
                Key = key,
                ChecksumMode = Amazon.S3.ChecksumMode.ENABLED,
                VersionId = odd.Chance(2) ? null : odd.Value(),
            }),
            1 => () => client.GetObjectMetadataAsync(
                new GetObjectMetadataRequest { BucketName = bucket, Key = key, PartNumber = odd.Chance(2) ? null : 3 }),
            2 => () => client.DeleteObjectAsync(
                new DeleteObjectRequest { BucketName = bucket, Key = key, VersionId = odd.Chance(2) ? null : odd.Key(harsh: true) }),
            3 => () => client.CopyObjectAsync(new CopyObjectRequest
            {
                SourceBucket = bucket,
                SourceKey = odd.Key(harsh: true),
                DestinationBucket = bucket,
                DestinationKey = key,
                ContentType = odd.Pick(["text/plain", "application/x-tar;  a=b"]),
                MetadataDirective = S3MetadataDirective.REPLACE,
                Metadata = { [odd.Name()] = odd.Value() },
            }),
            4 => () => client.InitiateMultipartUploadAsync(new InitiateMultipartUploadRequest
            {
                BucketName = bucket,
                Key = key,
                Metadata = { [odd.Name()] = odd.Value(), ["b_1"] = "x" },
            }),
            5 => () => client.AbortMultipartUploadAsync(
                new AbortMultipartUploadRequest { BucketName = bucket, Key = key, UploadId = odd.Secret(30) }),
            _ => () => client.GetObjectTaggingAsync(new GetObjectTaggingRequest { BucketName = bucket, Key = key }),
        };
    }
}
