#!/bin/sh
# What must exist in a Google Cloud project before its first build: once, by somebody who may do all
# of this (roles/owner, or the admins of what is named below). Whatever is there already stays.
#
#     scripts/cloud_build_setup.sh --project=ID [OPTION...]
#
#     --dry-run            print every command, and run none; needs no gcloud
#     --region=NAME        of all that has one [europe-west4]
#     --cluster=NAME       the GKE cluster that builds deploy to, in that region [lockstep-dev]
#     --namespace=NAME     of the model servers in it [lockstep-dev]
#     --kfp-host=URL       where Kubeflow Pipelines answers [http://ml-pipeline.kubeflow:8888]
#     --kfp-token=FILE     the token for it, as the first version of the secret; never printed
#     --repository=NAME    makes the triggers; projects/P/locations/L/connections/C/repositories/R,
#                          which a person connects: cloud.google.com/build/docs/repositories
#     --github=OWNER/NAME  lets the workflow main of this GitHub repository work as the build does
#
# Makes: APIs; an artifact registry; buckets for models, the next environment's models, data and
# reviews; four service accounts, each with what it needs and nothing else (docs/ci.md has the
# table); the secret kfp-token; workload identity for pods, and for GitHub; the two triggers.
set -eu

dry=false project='' region=europe-west4 cluster=lockstep-dev namespace=lockstep-dev
kfp_host=http://ml-pipeline.kubeflow:8888 kfp_token='' repository='' github=''

refuse() { # CODE GIVEN ALLOWED TODO
    printf 'error: %s\n  allowed: %s\n  to do:   %s\n' "$2" "$3" "$4" >&2
    exit "$1"
}

for option in "$@"; do
    value=${option#*=}
    case $option in
        --dry-run) dry=true ;;
        --project=*) project=$value ;;
        --region=*) region=$value ;;
        --cluster=*) cluster=$value ;;
        --namespace=*) namespace=$value ;;
        --kfp-host=*) kfp_host=$value ;;
        --kfp-token=*) kfp_token=$value ;;
        --repository=*) repository=$value ;;
        --github=*) github=$value ;;
        --help) sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p}' "$0" && exit ;;
        *) refuse 2 "the option $option" "those that --help tells" "correct it" ;;
    esac
done
case $project in
    '' | *[!a-z0-9-]* | [!a-z]*) refuse 2 "the project '$project'" \
        "a project's id: lower-case letters, digits and dashes" "--project=ID" ;;
esac
case $github in
    '' | [!/]*/[!/]*) ;;
    *) refuse 2 "the GitHub repository '$github'" "OWNER/NAME" "--github=OWNER/NAME" ;;
esac
$dry || command -v gcloud >/dev/null || refuse 7 "no gcloud on the PATH" \
    "Google's command line, logged in; or --dry-run" "cloud.google.com/sdk/docs/install"
[ -z "$kfp_token" ] || [ -r "$kfp_token" ] || refuse 2 "no file $kfp_token" \
    "a file with the token and nothing else" "correct --kfp-token"

say() { # a command as one types it; what is printed is itself a script
    line=
    for word in "$@"; do
        case $word in
            '' | *[!A-Za-z0-9_./:=@%+,-]*)
                word="'$(printf %s "$word" | sed "s/'/'\\\\''/g")'" ;;
        esac
        line="$line $word"
    done
    printf '%s' "${line# }"
}

run() {
    say "$@" && echo
    $dry || "$@"
}

missing() { # asks whether something is there; in a dry run nobody knows
    if $dry; then
        say "$@" && printf ' >/dev/null 2>&1 ||\n    '
        return 0
    fi
    ! "$@" >/dev/null 2>&1
}

patiently() { # an account that has just been made is not known everywhere at once
    say "$@" && echo
    $dry && return
    for _ in 1 2 3 4 5; do
        "$@" >/dev/null && return
        sleep "${SETUP_PAUSE:-10}"
    done
    "$@" >/dev/null
}

address() { echo "$1@$project.iam.gserviceaccount.com"; }

account() { # NAME WHAT-FOR
    missing gcloud iam service-accounts describe "$(address "$1")" "--project=$project" &&
        run gcloud iam service-accounts create "$1" "--project=$project" "--display-name=$2"
    true
}

bucket() { # NAME
    missing gcloud storage buckets describe "gs://$1" "--project=$project" &&
        run gcloud storage buckets create "gs://$1" "--project=$project" "--location=$region" \
            --uniform-bucket-level-access --public-access-prevention
    true
}

on_project() { # ACCOUNT ROLE
    patiently gcloud projects add-iam-policy-binding "$project" --condition=None \
        "--member=serviceAccount:$(address "$1")" "--role=$2"
}

on_bucket() { # ACCOUNT ROLE BUCKET
    patiently gcloud storage buckets add-iam-policy-binding "gs://$3" "--project=$project" \
        "--member=serviceAccount:$(address "$1")" "--role=$2"
}

on_registry() { # ACCOUNT ROLE
    patiently gcloud artifacts repositories add-iam-policy-binding lockstep \
        "--project=$project" "--location=$region" \
        "--member=serviceAccount:$(address "$1")" "--role=$2"
}

act_as() { # ACCOUNT WHO
    patiently gcloud iam service-accounts add-iam-policy-binding "$(address "$1")" \
        "--project=$project" --role=roles/iam.workloadIdentityUser "--member=$2"
}

run gcloud services enable "--project=$project" artifactregistry.googleapis.com \
    cloudbuild.googleapis.com container.googleapis.com iam.googleapis.com \
    iamcredentials.googleapis.com secretmanager.googleapis.com storage.googleapis.com \
    sts.googleapis.com

missing gcloud artifacts repositories describe lockstep "--project=$project" "--location=$region" &&
    run gcloud artifacts repositories create lockstep "--project=$project" "--location=$region" \
        --repository-format=docker "--description=Images of builds and pipelines"
bucket "$project-models"
bucket "$project-models-test"
bucket "$project-data"
bucket "$project-reviews"

# Builds of main: push images, submit, promote, deploy. What it may do in a namespace says
# manifests/access, not IAM.
account lockstep-build "Builds of the branch main"
on_project lockstep-build roles/logging.logWriter
on_project lockstep-build roles/container.clusterViewer
missing gcloud iam roles describe lockstepConnect "--project=$project" &&
    run gcloud iam roles create lockstepConnect "--project=$project" --stage=GA \
        "--title=Reach a cluster by its DNS name" --permissions=container.clusters.connect
on_project lockstep-build "projects/$project/roles/lockstepConnect"
on_registry lockstep-build roles/artifactregistry.writer
on_bucket lockstep-build roles/storage.objectUser "$project-models"
on_bucket lockstep-build roles/storage.objectUser "$project-models-test"

# Builds of pull requests run what strangers wrote: they may leave a page for reviewers.
account lockstep-review "Builds of pull requests"
on_project lockstep-review roles/logging.logWriter
on_registry lockstep-review roles/artifactregistry.reader
on_bucket lockstep-review roles/storage.objectCreator "$project-reviews"

# Steps of pipelines read data, and push models.
account pipeline-runner "Steps of pipelines"
on_bucket pipeline-runner roles/storage.objectViewer "$project-data"
on_bucket pipeline-runner roles/storage.objectUser "$project-models"
act_as pipeline-runner "serviceAccount:$project.svc.id.goog[kubeflow/pipeline-runner]"

# Model servers read models.
account tf-serving "Model servers"
on_bucket tf-serving roles/storage.objectViewer "$project-models"
act_as tf-serving "serviceAccount:$project.svc.id.goog[$namespace/tf-serving]"

missing gcloud secrets describe kfp-token "--project=$project" &&
    run gcloud secrets create kfp-token "--project=$project" --replication-policy=automatic
[ -z "$kfp_token" ] || {
    missing gcloud secrets versions describe 1 --secret=kfp-token "--project=$project" &&
        run gcloud secrets versions add kfp-token "--project=$project" "--data-file=$kfp_token"
}
patiently gcloud secrets add-iam-policy-binding kfp-token "--project=$project" \
    "--member=serviceAccount:$(address lockstep-build)" --role=roles/secretmanager.secretAccessor

if [ -n "$github" ]; then
    # Only the branch main of this repository gets a token, for an hour; there is no key to steal.
    missing gcloud iam workload-identity-pools describe github "--project=$project" \
        --location=global &&
        run gcloud iam workload-identity-pools create github "--project=$project" --location=global
    missing gcloud iam workload-identity-pools providers describe github "--project=$project" \
        --location=global --workload-identity-pool=github &&
        run gcloud iam workload-identity-pools providers create-oidc github "--project=$project" \
            --location=global --workload-identity-pool=github \
            --issuer-uri=https://token.actions.githubusercontent.com \
            "--attribute-mapping=google.subject=assertion.sub,attribute.repository=assertion.repository" \
            "--attribute-condition=assertion.repository=='$github' && assertion.ref=='refs/heads/main'"
    number=PROJECT_NUMBER
    $dry || number=$(gcloud projects describe "$project" '--format=value(projectNumber)')
    pool=projects/$number/locations/global/workloadIdentityPools/github
    act_as lockstep-build \
        "principalSet://iam.googleapis.com/$pool/attribute.repository/$github"
fi

if [ -n "$repository" ]; then
    registry=$region-docker.pkg.dev/$project/lockstep
    values=_BUILDER=$registry/builder:1.0.0,_IMAGE=$registry/runtime,_KFP_HOST=$kfp_host
    values=$values,_CLUSTER=projects/$project/locations/$region/clusters/$cluster
    missing gcloud builds triggers describe lockstep-main "--project=$project" \
        "--region=$region" &&
        run gcloud builds triggers create github --name=lockstep-main "--project=$project" \
            "--region=$region" "--repository=$repository" '--branch-pattern=^main$' \
            --build-config=cloudbuild.yaml "--substitutions=$values" \
            "--service-account=projects/$project/serviceAccounts/$(address lockstep-build)"
    missing gcloud builds triggers describe lockstep-pull-request "--project=$project" \
        "--region=$region" &&
        run gcloud builds triggers create github --name=lockstep-pull-request \
            "--project=$project" "--region=$region" "--repository=$repository" \
            '--pull-request-pattern=^main$' --comment-control=COMMENTS_ENABLED \
            --build-config=cloudbuild-pull-request.yaml \
            "--substitutions=_BUILDER=$registry/builder:1.0.0" \
            "--service-account=projects/$project/serviceAccounts/$(address lockstep-review)"
fi

{
    echo "Left to do, by hand:"
    echo "- the builder: docker build --file scripts/builder.Dockerfile --tag" \
        "$region-docker.pkg.dev/$project/lockstep/builder:1.0.0 . && docker push ..."
    echo "- in the cluster: kubectl apply --server-side -k manifests/access/dev, and an annotation:" \
        "kubectl --namespace kubeflow annotate serviceaccount pipeline-runner" \
        "iam.gke.io/gcp-service-account=$(address pipeline-runner)"
    [ -n "$kfp_token" ] || echo "- the token of Kubeflow Pipelines:" \
        "gcloud secrets versions add kfp-token --project=$project --data-file=FILE"
    [ -n "$repository" ] || echo "- the triggers: connect the repository, and run this again with --repository"
    [ -z "$github" ] || echo "- in GitHub, variables of the repository: PROJECT_ID=$project," \
        "SERVICE_ACCOUNT=$(address lockstep-build), WORKLOAD_IDENTITY_PROVIDER=$pool/providers/github"
} >&2
