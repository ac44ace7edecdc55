package com.example.plain;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class PlainApplication {

  public static void main(String[] args) {
    SpringApplication.run(PlainApplication.class, args);
  }

  @GetMapping("/")
  String plain() {
    return "plain\n";
  }
}
