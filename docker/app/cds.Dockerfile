# The image of a Spring Boot application with CDS=true: an ordinary jar beside its libraries, which is what Java
# shares class data of, and a last layer with those data. Its build context holds this file and the tars that
# deploy/artifact/flat.py and shared_classes.py make, and nothing else; the first build, whose container is run
# to learn the classes, has an empty last layer.
ARG BASE_IMAGE=eclipse-temurin:21-jre
# hadolint ignore=DL3006
FROM ${BASE_IMAGE}

# What changes least comes first.
ADD home.tar /
ADD dependencies.tar /
ADD snapshot-dependencies.tar /
ADD application.tar /
ADD cds.tar /

# As in Dockerfile beside this one.
USER 10001:10001
WORKDIR /home/app
ENV HOME=/home/app \
    PROFILE=prod
ENV SPRING_PROFILES_ACTIVE=\${PROFILE} \
    JAVA_TOOL_OPTIONS="-XX:MaxRAMPercentage=75 -XX:+ExitOnOutOfMemoryError"

# Class data count only for the Java and the class path that they were written with; Java goes on without them else.
ENTRYPOINT ["java", "-XX:SharedArchiveFile=/app/app.jsa", "-jar", "/app/app.jar"]
